"""How the columns of a score are named when a recipe declares it several times."""


def column_label(column: str, instance: str | None) -> str:
    """Name of a score's column in one of its instances; None is the score without instances.

    Example:
        >>> column_label("target_similarity", "flowers")
        'target_similarity_flowers'
    """
    return column if instance is None else f"{column}_{instance}"


def preferred_column(column: str, prefer: str) -> str:
    """Name of a score's column in the instance that has this preference; `hard` is the score without instances.

    Example:
        >>> preferred_column("semdedup_similarity", "hard"), preferred_column("semdedup_similarity", "easy")
        ('semdedup_similarity', 'semdedup_similarity_easy')
    """
    return column_label(column, None if prefer == "hard" else prefer)
