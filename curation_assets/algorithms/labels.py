"""How the columns of a score are named when a recipe declares it several times."""


def column_label(column: str, instance: str | None) -> str:
    """Name of a score's column in one of its instances; None is the score without instances.

    Example:
        >>> column_label("target_similarity", "flowers")
        'target_similarity_flowers'
    """
    return column if instance is None else f"{column}_{instance}"
