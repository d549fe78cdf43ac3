"""Goals about a customer's account and address book. Owns and does not own: as `buying`."""

from __future__ import annotations

import random

from pivotgym.envs.browsing.pages.sites.shop.state import Address, State, hashed, password_of
from pivotgym.envs.browsing.pages.tasks.shop.goal import Goal, Run


def register(state: State, chance: random.Random) -> Goal:
    """A new account."""
    name = chance.choice(("Ada Winter", "Bruno Falk", "Clara Nyberg"))
    email, password = f"{name.split()[0].lower()}@post.example", f"{chance.choice(('cedar', 'maple'))}-river-42"
    facts = {"name": name, "email": email, "password": password, "newsletter": "Every week"}
    made = {"name": name, "email": email, "password": hashed(password), "newsletter": "weekly", "default": "0"}
    return Goal(
        f"Create an account for {name} with the e-mail address {email} and the password {password}, and a weekly "
        "newsletter.",
        facts,
        {f"accounts/4/{field}": value for field, value in made.items()},
        runs=(
            Run("without the newsletter", {"newsletter": "Never"}),
            Run("another password", {"password": "cedar-river-43"}),
        ),
    )


def change_email(state: State, chance: random.Random) -> Goal:
    """Another e-mail address."""
    new = f"{state.accounts[1].email.split('.')[0]}{chance.randint(10, 99)}@mail.example"
    facts = {"email": new, "password": password_of(state.seed, 1)}
    return Goal(
        f"Change the e-mail address of my account to {new}. My password is {facts['password']}.",
        facts,
        {"accounts/1/email": new},
        runs=(
            Run("another address", {"email": "someone@mail.example"}),
            Run("the newsletter instead", program="subscribe"),
        ),
    )


def change_password(state: State, chance: random.Random) -> Goal:
    """Another password."""
    facts = {"password": password_of(state.seed, 1), "new": f"birch-{chance.randint(1000, 9999)}-lake"}
    return Goal(
        f"Change my password from {facts['password']} to {facts['new']}.",
        facts,
        {"accounts/1/password": hashed(facts["new"])},
        runs=(Run("another password", {"new": "birch-0000-lake"}),),
    )


def move(state: State, chance: random.Random) -> Goal:
    """A change of the default address."""
    own = state.accounts[1]
    facts = {"street": f"{chance.randint(2, 60)} Cooper Yard", "postcode": str(chance.randint(1000, 9999))}
    place = own.addresses[own.default]
    other = next(one for number, one in own.addresses.items() if number != own.default)
    return Goal(
        f"I moved within {place.city}: change that address in my address book to {facts['street']}, postcode "
        f"{facts['postcode']}. Everything else stays.",
        {**facts, "city": place.city},
        {f"accounts/1/addresses/{own.default}/{field}": value for field, value in facts.items()},
        runs=(
            Run("the other address", {"city": other.city}),
            Run("only the street", {"postcode": place.postcode}),
        ),
    )


def add_address(state: State, chance: random.Random) -> Goal:
    """A new address, as the default."""
    own = state.accounts[1]
    made = Address(own.name, f"{chance.randint(2, 60)} Ferry Steps", "Aarhus", "8000", "Denmark")
    place = max(own.addresses) + 1
    return Goal(
        f"Add a new address to my address book: {made.name}, {made.street}, {made.postcode} {made.city}, "
        f"{made.country}. Make it my default address.",
        {**vars(made), "default": "yes"},
        {
            **{f"accounts/1/addresses/{place}/{field}": value for field, value in vars(made).items()},
            "accounts/1/default": str(place),
        },
        runs=(
            Run("not the default", {"default": ""}),
            Run("another country", {"country": "Germany"}),
        ),
    )


def drop_address(state: State, chance: random.Random) -> Goal:
    """An address deleted that is not the default."""
    own = state.accounts[1]
    place, gone = next((number, one) for number, one in own.addresses.items() if number != own.default)
    return Goal(
        f"Delete my address in {gone.city}.",
        {"city": gone.city},
        {f"accounts/1/addresses/{place}/{field}": "" for field in vars(gone)},
        runs=(Run("the other address", {"city": own.addresses[own.default].city}),),
    )


def set_newsletter(state: State, chance: random.Random) -> Goal:
    """How often the newsletter comes."""
    label, value = chance.choice((("Every month", "monthly"), ("Every week", "weekly")))
    other = "Every week" if value == "monthly" else "Every month"
    return Goal(
        f"Set the newsletter of my account to: {label.lower()}.",
        {"newsletter": label},
        {"accounts/1/newsletter": value},
        runs=(
            Run("another rhythm", {"newsletter": other}),
            Run("as a guest", {"email": state.accounts[1].email}, program="subscribe"),
        ),
    )
