"""Finds which names mean the same parameter, and which parameters an optimizer without names has.

PyTorch's wrappers put segments into names: torch.compile has `_orig_mod.`, DistributedDataParallel `module.`, FSDP and
activation checkpointing `_fsdp_wrapped_module.` and `_checkpoint_wrapped_module.` in the middle, a LightningModule the
name of its attribute. Other wrappers have others, so this goes by rules and not by a list.

SPDX: MIT OR Apache-2.0
"""

from radam_checkpoint import listed

MOST_DEALS = 10_000  # with more ways to deal than that, names are not known anyway


class NoNames(ValueError):
    """Which parameter has which name cannot be known."""


def without(names, is_left_out):
    """The names without segments that wrappers have put in; the last segment is always the parameter's own."""
    shorter = {}
    for name in names:
        *path, last = name.split(".")
        kept = [segment for segment in path if not is_left_out(segment)]
        shorter[".".join([*kept, last])] = name
    return shorter


def without_beginning(names, count):
    """The names without their first segments, if these are the same in all; else nothing."""
    parts = [name.split(".", count) for name in names]
    if len({tuple(part[:count]) for part in parts}) != 1 or any(len(part) <= count for part in parts):
        return {}
    return {part[-1]: name for part, name in zip(parts, names)}


def segments(names):
    return {segment for name in names for segment in name.split(".")}


def paired(names, others):
    """For each of the names the one of the others that means the same parameter. These are the rules, in order:

    1. The same name.
    2. The same name when both sides leave out the segments that begin with an underscore, as attributes of wrappers do,
       and that no name of the other side has.
    3. The same name when, beyond that, one side leaves out all segments that no name of the other side has, or the
       first segments, if these are the same in all its names.

    A rule holds for all names at once or not at all, so that every name has exactly one counterpart.
    """
    names, others = list(names), list(others)
    if set(names) == set(others):
        return {name: name for name in names}
    here, there = segments(names), segments(others)
    ours = without(names, lambda segment: segment.startswith("_") and segment not in there)
    theirs = without(others, lambda segment: segment.startswith("_") and segment not in here)
    if len(ours) == len(theirs) == len(names) == len(others):
        if match := paired_if_longer(ours, theirs):
            return {ours[one]: theirs[other] for one, other in match.items()}
        if match := paired_if_longer(theirs, ours):
            return {ours[one]: theirs[other] for other, one in match.items()}
    only_here, only_there = listed(set(names) - set(others)) or "none", listed(set(others) - set(names)) or "none"
    raise NoNames(f"only on the one side are {only_here}, and only on the other {only_there}")


def paired_if_longer(longer, shorter):
    """For each of the longer names the shorter one that is left of it, or nothing."""
    known = segments(shorter)
    most = min((name.count(".") for name in longer), default=0)
    candidates = [without(longer, lambda segment: segment not in known)]
    candidates += [without_beginning(list(longer), count) for count in range(1, most + 1)]
    for candidate in candidates:
        if candidate.keys() == set(shorter) and len(candidate) == len(longer):
            return {name: left for left, name in candidate.items()}
    return None


def dealt(shapes, groups):
    """The names of the parameters of each group, from the shapes of the model's parameters in their order.

    groups has a list of shapes per group, with None for one that is not known. A group has its parameters in the order
    of the model; that is how scripts and trainers make groups, be it by one filter or another. So the model is dealt to
    the groups, parameter by parameter, and only one way to do so may lead to these shapes.
    """
    count = sum(map(len, groups))
    if count != len(shapes):
        raise NoNames(f"the optimizer has {count} parameters, and the model {len(shapes)}")
    # For each number of parameters that every group may have got by now: the names, or None if there are several ways.
    deals = {(0,) * len(groups): [[] for _ in groups]}
    for name, shape in shapes.items():
        next_deals = {}
        for got, names in deals.items():
            for number, group in enumerate(groups):
                if got[number] == len(group) or group[got[number]] not in (None, shape):
                    continue
                after = got[:number] + (got[number] + 1,) + got[number + 1 :]
                is_only = names is not None and after not in next_deals
                next_deals[after] = (
                    [[*old, name] if at == number else old for at, old in enumerate(names)] if is_only else None
                )
        if not next_deals:
            raise NoNames(f"no group of the optimizer has a place for {name!r} of shape {list(shape)} in its order")
        if len(next_deals) > MOST_DEALS:
            raise NoNames("too many parameters of several groups have the same shape to know which is which")
        deals = next_deals
    (names,) = deals.values()
    if names is None:
        raise NoNames("parameters of several groups have the same shape, so that they may be in one group or the other")
    return names
