"""The project's own corpus: an almanac of an archipelago that does not exist.

Owns: its towns, people, ships and books, drawn by seed, and the page of each. Does not own: the questions about it
(`envs.browsing.search.tasks`). Every name and fact is made up by the generator, so that no answer can be known without
reading, and no licence is touched.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache

from pivotgym.envs.browsing.search.pages import Page

NAME = "almanac"
HOST = "https://almanac.invalid"
_SEED = 1
_TOWNS, _PEOPLE = 24, 72
_CRAFTS = (
    "glass bells", "sail cloth", "amber combs", "salt pottery", "reed organs", "map printing", "copper kettles",
    "wool dyeing", "clock springs", "whale-bone flutes", "paper lanterns", "boat varnish",
)  # fmt: skip
_RIVERS = ("Orrel", "Tamsin", "Wend", "Ilvane", "Quor", "Bexa", "Luth", "Nembre")
_ISLANDS = ("Great Sorrin", "Lower Sorrin", "Hask", "Merrow Isle", "Tolvane")
_JOBS = ("shipwright", "novelist", "astronomer", "lighthouse engineer")
_HEADS = ("Bar", "Cal", "Dro", "El", "Fen", "Gar", "Hol", "Is", "Jor", "Kel", "Lor", "Mar", "Nor", "Os", "Per", "Quil")
_TAILS = ("wick", "mere", "stead", "hythe", "combe", "holm", "ness", "garth")
_FIRST = ("Adra", "Benno", "Cilla", "Dorim", "Esk", "Fara", "Gwill", "Hanno", "Ivra", "Jask", "Kerra", "Lodo")
_MIDDLE = ("ka", "ro", "ve", "li", "sta", "mo", "du", "ne")
_LAST = ("venn", "tarr", "moss", "lund", "rick", "dall", "sey", "quist")
_SHIPS = ("Grey", "Silver", "Patient", "Northern", "Quiet", "Second", "Crooked", "Morning", "Iron")
_BIRDS = ("Heron", "Gannet", "Petrel", "Curlew", "Plover", "Osprey", "Tern", "Dunlin")
_BOOKS = (
    "The Winter",
    "A Season",
    "The Long",
    "The Salt",
    "The Empty",
    "A Borrowed",
    "The Last",
    "The Seventh",
    "The Blue",
)
_THINGS = ("Ferry", "Granary", "Orchard", "Lantern", "Harbour", "Compass", "Staircase", "Archive")


@dataclass(frozen=True)
class Town:
    """A town; `mayor` is a person's name."""

    name: str
    island: str
    river: str
    founded: int
    people: int
    craft: str
    mayor: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"{HOST}/towns/{self.name.lower()}"


@dataclass(frozen=True)
class Person:
    """A person, and what they made: a ship (with its length in metres), a book, a comet or a lighthouse."""

    name: str
    job: str
    born: int
    town: str
    work: str
    year: int
    size: int

    @property
    def url(self) -> str:
        """Their page."""
        return f"{HOST}/people/{self.name.lower().replace(' ', '-')}"

    @property
    def work_url(self) -> str:
        """The page of what they made."""
        kind = {"shipwright": "ships", "novelist": "books", "astronomer": "comets"}.get(self.job, "lighthouses")
        return f"{HOST}/{kind}/{self.work.lower().replace(' ', '-')}"


@dataclass(frozen=True)
class Almanac:
    """All that the archipelago has."""

    towns: dict[str, Town]
    people: dict[str, Person]


@lru_cache(maxsize=1)
def almanac() -> Almanac:
    """The archipelago, the same at any time."""
    chance = random.Random(_SEED)
    town_names = chance.sample([head + tail for head in _HEADS for tail in _TAILS], _TOWNS)
    surnames = chance.sample([(a + b + c).capitalize() for a in _MIDDLE for b in _MIDDLE for c in _LAST], _PEOPLE)
    persons = [f"{chance.choice(_FIRST)} {surname}" for surname in surnames]
    mayors = chance.sample(persons, _TOWNS)
    towns = {
        name: Town(
            name, chance.choice(_ISLANDS), chance.choice(_RIVERS), 1100 + 17 * place + chance.randrange(17),
            4_000 + 1_370 * place + chance.randrange(1_300), chance.choice(_CRAFTS), mayors[place],
        )
        for place, name in enumerate(town_names)
    }  # fmt: skip
    works = {
        "shipwright": chance.sample([f"{one} {bird}" for one in _SHIPS for bird in _BIRDS], _PEOPLE),
        "novelist": chance.sample([f"{one} {thing}" for one in _BOOKS for thing in _THINGS], _PEOPLE),
    }
    people = {}
    for place, name in enumerate(persons):
        job, born = _JOBS[place % len(_JOBS)], 1780 + chance.randrange(120)
        town, surname = chance.choice(town_names), name.split()[1]
        work = works[job][place] if job in works else f"{'Comet' if job == 'astronomer' else 'Lighthouse'} {surname}"
        people[name] = Person(name, job, born, town, work, born + 24 + chance.randrange(30), 11 + chance.randrange(60))
    return Almanac(towns, people)


def pages() -> list[Page]:
    """The pages, in a fixed order: towns, people, works, then the lists."""
    known = almanac()
    found = [_town(town) for town in known.towns.values()]
    found += [_person(person) for person in known.people.values()]
    found += [_work(person) for person in known.people.values()]
    return found + [_island(island, known) for island in _ISLANDS]


def digest() -> str:
    """SHA-256 over the pages."""
    return hashlib.sha256(b"\n".join(page.canonical() for page in pages())).hexdigest()


def _town(town: Town) -> Page:
    text = (
        f"{town.name} is a town on {town.island}, at the mouth of the river {town.river}. It was founded in "
        f"{town.founded} and has {town.people:,} inhabitants. The town is known for its {town.craft}. Its mayor is "
        f"{town.mayor}."
    )
    return Page(town.url, f"{town.name} - Almanac of the Sorrin Islands", text, (f"{HOST}/wiki/{town.name}",))


def _person(person: Person) -> Page:
    made = {
        "shipwright": f"built the ship {person.work}",
        "novelist": f"wrote the novel {person.work}",
        "astronomer": f"discovered {person.work}",
    }.get(person.job, f"designed {person.work}")
    text = (
        f"{person.name} (born {person.born} in {person.town}) was a {person.job} of the Sorrin Islands, who {made} in "
        f"{person.year}."
    )
    return Page(person.url, f"{person.name}, {person.job}", text, (f"{HOST}/wiki/{person.name.replace(' ', '_')}",))


def _work(person: Person) -> Page:
    text = {
        "shipwright": f"The {person.work} is a sailing ship of {person.size} metres, launched in {person.year}. She "
        f"was built by {person.name}.",
        "novelist": f"{person.work} is a novel of {person.size * 9} pages by {person.name}, printed in {person.year}.",
        "astronomer": f"{person.work} is a comet with a period of {person.size} years. {person.name} discovered it in "
        f"{person.year}.",
    }.get(
        person.job,
        f"{person.work} is a tower of {person.size} metres. It was designed by {person.name} and first lit in "
        f"{person.year}.",
    )
    return Page(person.work_url, f"{person.work} - Almanac of the Sorrin Islands", text)


def _island(island: str, known: Almanac) -> Page:
    names = sorted(town.name for town in known.towns.values() if town.island == island)
    text = f"{island} is one of the Sorrin Islands. Its towns are {', '.join(names)}."
    return Page(f"{HOST}/islands/{island.lower().replace(' ', '-')}", f"{island} - towns", text)
