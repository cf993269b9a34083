"""How things are named that a recipe has several of: columns of a score, encoders, clusterings."""

from curation_assets.tables import Key


def column_label(column: str, instance: str | None) -> str:
    """Name of a score's column in one of its instances; None is the score without instances.

    Example:
        >>> column_label("target_similarity", "flowers")
        'target_similarity_flowers'
    """
    return column if instance is None else f"{column}_{instance}"


def labelled(asset: str, label: str) -> Key:
    """Key of one of several assets of a kind: `embeddings` is the recipe's own, `embeddings_l14` that of the label l14."""
    return (f"{asset}_{label}" if label else asset,)


def label_of(key: Key, asset: str) -> str | None:
    """The label of a key that `labelled` makes of the asset; None if it is another one."""
    if len(key) != 1:
        return None
    return "" if key[0] == asset else key[0].removeprefix(f"{asset}_") if key[0].startswith(f"{asset}_") else None


def preferred_column(column: str, prefer: str) -> str:
    """Name of a score's column in the instance that has this preference; `hard` is the score without instances.

    Example:
        >>> preferred_column("semdedup_similarity", "hard"), preferred_column("semdedup_similarity", "easy")
        ('semdedup_similarity', 'semdedup_similarity_easy')
    """
    return column_label(column, None if prefer == "hard" else prefer)
