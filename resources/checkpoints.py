"""From a model's name and a pretrained tag (or a file) to a network with weights; says clearly when there are none.

The local cache is asked first, then the network, once and only when it can be reached: an offline machine gets its
answer in seconds.
"""

import difflib
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from curation_assets.errors import EncoderError
from resources.openclip import (
    CHECKPOINT_SUFFIXES,
    Network,
    import_open_clip,
    loaded_module,
    preprocessing,
)

CONNECT_TIMEOUT_S = 5.0
LOCAL_FILE_HINT = "give a local file: encoder: {model: ViT-B-32, pretrained: /path/to/file.safetensors}"


def pretrained_network(model: str, pretrained: str, preprocess_as: str = "") -> Network:
    """An OpenCLIP network with its published or local weights.

    Args:
        model: name of an OpenCLIP model, such as ViT-B-32.
        pretrained: a tag of that model, such as laion2b_s34b_b79k, or the path of a checkpoint.
        preprocess_as: tag whose mean, deviation and resizing a local checkpoint wants; needed where the model's tags differ.

    Raises:
        EncoderError: unknown model or tag (close ones are listed), no weights named, or weights not to be had.
    """
    open_clip = import_open_clip()
    config = open_clip.get_model_config(model.replace("/", "-")) if model and ":" not in model else None
    if config is None:
        raise EncoderError(f"unknown model {model!r}; {_close(model, open_clip.list_models())}")
    model = model.replace("/", "-")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not pretrained:
        raise EncoderError(
            f"model {model!r} has no weights: `pretrained` is empty, and scores of untrained weights mean nothing; "
            f"name one of its tags {tags}, or {LOCAL_FILE_HINT}"
        )
    tag = open_clip.get_pretrained_cfg(model, pretrained)
    if tag:
        path = _cached(tag) or _downloaded(model, pretrained, tag)
        if tag.get("quick_gelu"):  # open_clip only warns when these weights meet a model with the other activation
            config["quick_gelu"] = True
    elif Path(pretrained).suffix in CHECKPOINT_SUFFIXES or os.sep in pretrained:
        path, tag = Path(pretrained).expanduser(), _preprocessing_of(model, preprocess_as, tags)
    else:
        raise EncoderError(f"unknown pretrained tag {pretrained!r} of model {model!r}; {_close(pretrained, tags)}")
    module = loaded_module(config, path)
    return Network(module, _tokenizer(model), preprocessing(module, tag), f"{model} {pretrained}")


def own_network(config: Mapping[str, object], weights: Path, name: str) -> Network:
    """A network of our own, such as `training.py` makes: any OpenCLIP configuration with OpenCLIP's own vocabulary.

    Args:
        config: OpenCLIP's model configuration.
        weights: its `.safetensors` file.
        name: how the encoder is called in metadata.

    Raises:
        EncoderError: the configuration and the weights do not fit each other.
    """
    open_clip = import_open_clip()
    module = loaded_module(config, weights)
    return Network(module, open_clip.SimpleTokenizer(context_length=module.context_length), preprocessing(module, {}), name)


def _preprocessing_of(model: str, preprocess_as: str, tags: Sequence[str]) -> Mapping[str, object]:
    """How a local checkpoint wants its pictures: the file does not say, so as the named tag, or as all tags of the model.

    Raises:
        EncoderError: the tag is unknown, or none is named and the model's tags differ.
    """
    open_clip = import_open_clip()
    if preprocess_as and preprocess_as not in tags:
        raise EncoderError(f"unknown tag {preprocess_as!r} in preprocess_as; {_close(preprocess_as, tags)}")
    entries = ("mean", "std", "interpolation", "resize_mode")
    named = [preprocess_as] if preprocess_as else tags
    known = [{entry: open_clip.get_pretrained_cfg(model, tag).get(entry) for entry in entries} for tag in named]
    if any(facts != known[0] for facts in known):
        raise EncoderError(
            f"tags of {model} want their pictures prepared in different ways, and a file does not say which: add "
            f"preprocess_as: TAG to the encoder, with the tag that the file's weights were trained like; one of {tags}"
        )
    return known[0] if known else {}


def _tokenizer(model: str):
    open_clip = import_open_clip()
    try:
        return open_clip.get_tokenizer(model)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise EncoderError(f"model {model!r} needs a tokenizer that cannot be loaded: {error}") from error


def _repository(tag: Mapping[str, object]) -> tuple[str, list[str]]:
    """Hugging Face repository of a tag and the files to look for in it, best first, in open_clip's own order."""
    repository, name = os.path.split(str(tag.get("hf_hub") or ""))
    name = name or "open_clip_pytorch_model.bin"
    safe = "open_clip_model.safetensors" if name == "open_clip_pytorch_model.bin" else f"{Path(name).stem}.safetensors"
    return repository, list(dict.fromkeys([safe, name]))


def _cached(tag: Mapping[str, object]) -> Path | None:
    """The tag's checkpoint in the local Hugging Face cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    repository, names = _repository(tag)
    found = [try_to_load_from_cache(repository, name) for name in names if repository]
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _downloaded(model: str, pretrained: str, tag: Mapping[str, object]) -> Path:
    """The tag's checkpoint, fetched into the cache; one clear error when it cannot be."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError

    open_clip = import_open_clip()
    repository, names = _repository(tag)
    why = (
        "HF_HUB_OFFLINE is set"
        if constants.HF_HUB_OFFLINE
        else _unreachable(constants.ENDPOINT if repository else str(tag["url"]))
    )
    if not why and not repository:
        try:
            return Path(open_clip.download_pretrained(tag))
        except Exception as error:  # the edge to the network, any library's errors; re-raised below as one of ours
            why = f"{type(error).__name__}: {error}"
    for name in names if not why else []:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name))
        except EntryNotFoundError:
            continue
        except Exception as error:  # as above
            why = f"{type(error).__name__}: {error}"
            break
    raise EncoderError(
        f"no weights for pretrained tag {pretrained!r} of model {model!r}: not in the cache {constants.HF_HUB_CACHE} "
        f"(looked for {names} of {repository or tag['url']}), and the download failed: {why or 'no such file there'}; "
        f"{LOCAL_FILE_HINT}"
    )


def _unreachable(url: str) -> str:
    """Why a server, or the proxy before it, takes no connection; empty when it does.

    Asked beforehand because the hub's client retries for minutes.
    """
    server = urlsplit(url)
    proxy = getproxies().get(server.scheme)
    target = urlsplit(proxy) if proxy and not proxy_bypass(server.hostname or "") else server
    try:
        socket.create_connection(
            (target.hostname, target.port or {"http": 80}.get(target.scheme, 443)), CONNECT_TIMEOUT_S
        ).close()
    except OSError as error:
        return f"{target.hostname} cannot be reached ({error})"
    return ""


def _close(asked: str, known: Iterable[str]) -> str:
    names = sorted(known)
    by_lower = {name.lower(): name for name in names}
    close = [by_lower[name] for name in difflib.get_close_matches(asked.lower(), by_lower, n=6, cutoff=0.5)]
    return f"did you mean one of {close}?" if close else f"known: {names}"
