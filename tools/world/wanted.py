"""What the judge is asked of a prompt: all it tells, by the names of a reading, and of that what an edit changed.

Of a contradiction the attribute that is told twice is not asked, and its edit asks for nothing: either is right.
"""

from benchmarks.world_judge import THERE, Asked, Value, Wanted
from tools.world.edits import FIELDS, Edit
from tools.world.scene import ATTRIBUTES, KINDS, SINGLE, UNCOUNTED, Thing, Told


def wanted_of(told: Told) -> Wanted:
    """What a prompt tells: attributes, and of things that they are there, with whatever is not left open."""
    names: dict[str, Value] = {name: getattr(told, name) for name in ATTRIBUTES if getattr(told, name)}
    for thing in told.things:
        names[thing.kind] = THERE
        names |= {f"{thing.kind} {name}": getattr(thing, name) for name in FIELDS if _is_said(thing, name, told)}
    return Wanted(names, tuple(kind for kind in KINDS if kind in told.without))


def change_of(source: Told, target: Told) -> Wanted:
    """What `target` tells otherwise than `source`; kinds it does not speak of any more are denied."""
    before, after = wanted_of(source).told, wanted_of(target).told
    new = {name: value for name, value in after.items() if before.get(name) != value}
    return Wanted(new, tuple(kind for kind in KINDS if kind in before and kind not in after))


def asked_by(edit: Edit, prompt: str) -> tuple[Asked, ...]:
    """What `prompt` is asked for as the target of `edit`: with its negative prompt, if it has one, and without."""
    wanted = wanted_of(edit.target)
    told = {name: value for name, value in wanted.told.items() if name != edit.contested}
    plain = Asked(prompt, "", Wanted(told, wanted.denied), change_of(edit.source, edit.target))
    if not edit.denied:
        return (plain,)
    denied = Wanted(denied=(edit.denied,))
    return plain, Asked(prompt, edit.negative, Wanted(told, (*wanted.denied, edit.denied)), denied)


def _is_said(thing: Thing, name: str, told: Told) -> bool:
    is_counted = name != "count" or thing.kind not in SINGLE | UNCOUNTED
    return is_counted and (thing.kind, name) not in told.open_ and getattr(thing, name) is not None
