"""Faults between sections of a recipe that are each right by themselves: encoders, clusterings and what they are trained on."""

from collections.abc import Iterable, Iterator

from .recipe_keep import Location, fault_line
from .recipe_sections import Clusters, Encoder, RecipeFile, Section

_FEATURES = "expected features alone, such as {image: l14_img, text: l14_txt}: a datacomp pool has no pixels"


def section_faults(file: RecipeFile, subsets: Iterable[str]) -> list[str]:
    """Encoders that are given twice or not at all, subsets that do not exist, clusterings that cannot be.

    Args:
        file: the recipe.
        subsets: names of its subsets.
    """
    known = sorted(subsets)
    encoders = [(("encoder",), file.encoder), *((("encoders", name), one) for name, one in file.encoders.items())]
    clusterings = [(("clusters",), file.clusters), *((("clusterings", name), one) for name, one in file.clusterings.items())]
    faults = [fault for where, section in encoders for fault in _encoder_faults(where, section, file)]
    if file.filter_network is not None and not file.pool.has_pixels:
        place = ("filter_network",)
        faults.append(fault_line(place, "a datacomp pool has no pixels to train on", file.filter_network.train_on))
    if file.filter_network and file.filter_network.train_on not in known:
        place = ("filter_network", "train_on")
        faults.append(fault_line(place, f"unknown subset; known: {', '.join(known)}", file.filter_network.train_on))
    pictures = [name for name, target in file.targets.items() if target.kind != "vectors"]
    if pictures and file.encoder.features is not None:
        needed = "pictures and names need an encoder, and stored features have none; give .npy files of vectors"
        faults.append(fault_line(("targets",), needed, pictures))
    return faults + [fault for where, section in clusterings for fault in _cluster_faults(where, section, known)]


def _encoder_faults(where: Location, encoder: Encoder, file: RecipeFile) -> Iterator[str]:
    if not file.pool.has_pixels:
        if encoder.features is None or encoder.model or encoder.train:
            yield fault_line(where, _FEATURES, _given(encoder))
        return
    if encoder.features is not None:
        yield fault_line((*where, "features"), "only a pool of format datacomp has them", encoder.features)
    elif (encoder.train is None) == (encoder.model is None):
        yield fault_line(where, "expected either train: filter_network, or model and pretrained", _given(encoder))
    if encoder.model is not None and encoder.pretrained is None:
        yield fault_line((*where, "pretrained"), "expected an OpenCLIP tag or a checkpoint file", None)
    if encoder.train is not None and file.filter_network is None:
        yield fault_line(("filter_network",), "expected a section with train_on, since the encoder is trained", None)


def _cluster_faults(where: Location, clusters: Clusters, subsets: list[str]) -> Iterator[str]:
    if clusters.fit_on is not None and clusters.fit_on not in subsets:
        yield fault_line((*where, "fit_on"), f"unknown subset; known: {', '.join(subsets)}", clusters.fit_on)
    if clusters.given is not None and clusters.fit_on is not None:
        yield fault_line((*where, "fit_on"), "given centroids are not fitted; leave one of the two out", clusters.fit_on)
    if clusters.assignment == "inner_product" and clusters.given is None:
        yield fault_line(
            (*where, "assignment"), "fitted centroids have norm 1: inner_product is for given ones", "inner_product"
        )
    if where[0] == "clusterings" and clusters.policy == "refit_on_drift":
        yield fault_line(
            (*where, "policy"), "drift is measured of `clusters` alone; expected frozen or always", clusters.policy
        )


def _given(section: Section) -> dict[str, object]:
    return section.model_dump(exclude_unset=True)
