"""The airline: users, reservations and flights, and the 14 tools that act on them.

Owns: what each call reads, checks and changes. The agent's policy (who may cancel what) is not checked here: following
it is the agent's part.

The tools behave as the recorded ones do, with their oddities: new flights in another cabin leave the reservation's
field `cabin` as it was; neither cancelling nor booking touches the seats of a flight, and cancelling does not refund a
gift card or certificate.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from pivotgym.envs.tool_use.tau.database import Draft, Record
from pivotgym.envs.tool_use.tau.tools import Refused, ToolTable, add_common, number, objects, text

TABLES = ("flights", "reservations", "users")
NOW = "2024-05-15T15:00:00"
BAG_PRICE = 50
INSURANCE_PRICE = 30
FIRST_BOOKING = "HATHAT"
FIRST_CERTIFICATE = 3221322
CITIES = {
    "SFO": "San Francisco",
    "JFK": "New York",
    "LAX": "Los Angeles",
    "ORD": "Chicago",
    "DFW": "Dallas",
    "DEN": "Denver",
    "SEA": "Seattle",
    "ATL": "Atlanta",
    "MIA": "Miami",
    "BOS": "Boston",
    "PHX": "Phoenix",
    "IAH": "Houston",
    "LAS": "Las Vegas",
    "MCO": "Orlando",
    "EWR": "Newark",
    "CLT": "Charlotte",
    "MSP": "Minneapolis",
    "DTW": "Detroit",
    "PHL": "Philadelphia",
    "LGA": "LaGuardia",
}
TOOLS = ToolTable()
add_common(TOOLS)

_RESERVATION = text("The reservation's id, such as 'ZFA04Y'.")
_USER = text("The user's id, such as 'sara_doe_496'.")
_FROM = text("Where from: the airport's IATA code, such as 'JFK'.")
_TO = text("Where to: the airport's IATA code, such as 'LAX'.")
_DATE = text("The day of the flight, YYYY-MM-DD.")
_PAYMENT = text("A payment method's id in the user's profile, such as 'credit_card_7815826'.")
_CABIN = text("The cabin.", "basic_economy", "economy", "business")
_BAGS = number("How many bags are checked in.", "integer")
_PAID_BAGS = number("How many of them are paid for.", "integer")
_FLIGHTS = objects(
    "All flights of the reservation, kept ones too.", flight_number=text("Such as 'HAT001'."), date=_DATE
)
_PASSENGERS = objects(
    "The passengers.",
    first_name=text("The first name."),
    last_name=text("The last name."),
    dob=text("The date of birth, YYYY-MM-DD."),
)
_PAYMENTS = objects("What is paid how.", payment_id=_PAYMENT, amount=number("The amount in dollars."))


@TOOLS.add("Look up a user's profile, with the ids of the reservations.", user_id=_USER)
def get_user_details(db: Draft, user_id: str) -> Any:
    """A user."""
    return _user(db, user_id)


@TOOLS.add("Look up a reservation.", reservation_id=_RESERVATION)
def get_reservation_details(db: Draft, reservation_id: str) -> Any:
    """A reservation."""
    return _reservation(db, reservation_id)


@TOOLS.add("List the airports with their cities.")
def list_all_airports(db: Draft) -> Any:
    """Cities by airport."""
    return CITIES


@TOOLS.add("Search flights without a stop that can be booked.", origin=_FROM, destination=_TO, date=_DATE)
def search_direct_flight(db: Draft, origin: str, destination: str, date: str) -> Any:
    """Flights of that day."""
    found = (
        flight for flight in db.rows("flights") if (flight["origin"], flight["destination"]) == (origin, destination)
    )
    return [_offer(flight, date) for flight in found if _bookable(flight, date)]


@TOOLS.add("Search pairs of flights with one stop that can be booked.", origin=_FROM, destination=_TO, date=_DATE)
def search_onestop_flight(db: Draft, origin: str, destination: str, date: str) -> Any:
    """Pairs of flights; the second leaves after the first has arrived, the next day if that is when it arrives."""
    flights = list(db.rows("flights"))
    pairs = []
    for first in (flight for flight in flights if flight["origin"] == origin and _bookable(flight, date)):
        arrival = first["scheduled_arrival_time_est"]
        day = _next_day(date) if "+1" in arrival else date
        for second in flights:
            connects = (first["destination"], destination) == (second["origin"], second["destination"])
            if connects and arrival <= second["scheduled_departure_time_est"] and _bookable(second, day):
                pairs.append([{**_offer(first, date), "date": date}, {**_offer(second, day), "date": day}])
    return pairs


@TOOLS.add(
    "Book a reservation.",
    writes=True,
    user_id=_USER,
    origin=_FROM,
    destination=_TO,
    flight_type=text("One way, or there and back.", "one_way", "round_trip"),
    cabin=_CABIN,
    flights=_FLIGHTS,
    passengers=_PASSENGERS,
    payment_methods=_PAYMENTS,
    total_baggages=_BAGS,
    nonfree_baggages=_PAID_BAGS,
    insurance=text("Whether the travel insurance is bought.", "yes", "no"),
)
def book_reservation(
    db: Draft,
    *,
    user_id: str,
    flights: list[Record],
    passengers: list[Record],
    payment_methods: list[Record],
    **rest: Any,
) -> Any:
    """Book, if there are seats and the payments are good and add up."""
    _user(db, user_id)
    booked = [_seat(db, flight, rest["cabin"], len(passengers)) for flight in flights]
    price = sum(flight["price"] for flight in booked) * len(passengers) + BAG_PRICE * rest["nonfree_baggages"]
    if rest["insurance"] == "yes":
        price += INSURANCE_PRICE * len(passengers)
    _pay(db.edit("users", user_id), payment_methods, price)
    key = _free_booking(db)
    record = {
        "reservation_id": key,
        "user_id": user_id,
        "origin": rest["origin"],
        "destination": rest["destination"],
        "flight_type": rest["flight_type"],
        "cabin": rest["cabin"],
        "flights": booked,
        "passengers": copy.deepcopy(passengers),
        "payment_history": copy.deepcopy(payment_methods),
        "created_at": NOW,
        "total_baggages": rest["total_baggages"],
        "nonfree_baggages": rest["nonfree_baggages"],
        "insurance": rest["insurance"],
    }
    db.add("reservations", key, record)
    db.edit("users", user_id)["reservations"].append(key)
    return record


@TOOLS.add("Cancel a whole reservation.", writes=True, reservation_id=_RESERVATION)
def cancel_reservation(db: Draft, reservation_id: str) -> Any:
    """Cancel; each payment so far is reversed in the reservation's history."""
    _reservation(db, reservation_id)
    reservation = db.edit("reservations", reservation_id)
    history = reservation["payment_history"]
    history.extend([{"payment_id": paid["payment_id"], "amount": -paid["amount"]} for paid in history])
    reservation["status"] = "cancelled"
    return reservation


@TOOLS.add(
    "Change the flights or the cabin of a reservation.",
    writes=True,
    reservation_id=_RESERVATION,
    cabin=_CABIN,
    flights=_FLIGHTS,
    payment_id=_PAYMENT,
)
def update_reservation_flights(
    db: Draft, reservation_id: str, cabin: str, flights: list[Record], payment_id: str
) -> Any:
    """New flights at today's prices; a flight that stays, in the same cabin, keeps its price."""
    old = _reservation(db, reservation_id)
    people = len(old["passengers"])
    kept = {(flight["flight_number"], flight["date"]): flight for flight in old["flights"] if cabin == old["cabin"]}
    new = []
    for flight in flights:
        same = kept.get((flight["flight_number"], flight["date"]))
        terms = same if same is not None else _seat(db, flight, cabin, people)
        new.append({**flight, **{field: terms[field] for field in ("price", "origin", "destination")}})
    due = (sum(flight["price"] for flight in new) - sum(flight["price"] for flight in old["flights"])) * people
    _charge(db, old["user_id"], payment_id, due)
    reservation = db.edit("reservations", reservation_id)
    reservation["flights"] = new
    _note(reservation, payment_id, due)
    return reservation


@TOOLS.add(
    "Change the number of bags of a reservation.",
    writes=True,
    reservation_id=_RESERVATION,
    total_baggages=_BAGS,
    nonfree_baggages=_PAID_BAGS,
    payment_id=_PAYMENT,
)
def update_reservation_baggages(
    db: Draft, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Any:
    """New numbers; additional paid bags are charged, fewer are not refunded."""
    old = _reservation(db, reservation_id)
    due = BAG_PRICE * max(0, nonfree_baggages - old["nonfree_baggages"])
    _charge(db, old["user_id"], payment_id, due)
    reservation = db.edit("reservations", reservation_id)
    reservation["total_baggages"] = total_baggages
    reservation["nonfree_baggages"] = nonfree_baggages
    _note(reservation, payment_id, due)
    return reservation


@TOOLS.add(
    "Change the passengers of a reservation, not their number.",
    writes=True,
    reservation_id=_RESERVATION,
    passengers=_PASSENGERS,
)
def update_reservation_passengers(db: Draft, reservation_id: str, passengers: list[Record]) -> Any:
    """The same number of other passengers."""
    if len(passengers) != len(_reservation(db, reservation_id)["passengers"]):
        raise Refused("number of passengers does not match")
    reservation = db.edit("reservations", reservation_id)
    reservation["passengers"] = copy.deepcopy(passengers)
    return reservation


@TOOLS.add("Give a user a travel certificate.", writes=True, user_id=_USER, amount=number("Its value in dollars."))
def send_certificate(db: Draft, user_id: str, amount: float) -> str:
    """A certificate with the first free id."""
    _user(db, user_id)
    methods = db.edit("users", user_id)["payment_methods"]
    key = next(key for key in (f"certificate_{FIRST_CERTIFICATE + step}" for step in count()) if key not in methods)
    methods[key] = {"source": "certificate", "amount": amount, "id": key}
    return f"Certificate {key} added to user {user_id} with amount {amount}."


def _user(db: Draft, user_id: str) -> Record:
    found = db.find("users", user_id)
    if found is None:
        raise Refused("user not found")
    return found


def _reservation(db: Draft, reservation_id: str) -> Record:
    found = db.find("reservations", reservation_id)
    if found is None:
        raise Refused("reservation not found")
    return found


def _bookable(flight: Record, date: str) -> bool:
    return bool(flight["dates"].get(date, {}).get("status") == "available")


def _offer(flight: Record, date: str) -> Record:
    return {**{field: value for field, value in flight.items() if field != "dates"}, **flight["dates"][date]}


def _next_day(date: str) -> str:
    """The data covers one month, and so do the recorded tools."""
    return f"2024-05-{int(date[-2:]) + 1}"


def _seat(db: Draft, wanted: Record, cabin: str, people: int) -> Record:
    """A flight as a reservation holds it, if there are seats for all."""
    name, date = wanted["flight_number"], wanted["date"]
    flight = db.find("flights", name)
    if flight is None:
        raise Refused(f"flight {name} not found")
    if date not in flight["dates"]:
        raise Refused(f"flight {name} not found on date {date}")
    if not _bookable(flight, date):
        raise Refused(f"flight {name} not available on date {date}")
    day = flight["dates"][date]
    if cabin not in day["prices"]:
        raise Refused(f"cabin {cabin!r} not found; the cabins are {sorted(day['prices'])}")
    if day["available_seats"][cabin] < people:
        raise Refused(f"not enough seats on flight {name}")
    return {**wanted, "price": day["prices"][cabin], "origin": flight["origin"], "destination": flight["destination"]}


def _pay(user: Record, payments: Sequence[Record], price: float) -> None:
    """Take the payments of a booking from the user's methods."""
    methods = user["payment_methods"]
    paid: dict[str, float] = {}
    for payment in payments:
        key = payment["payment_id"]
        paid[key] = paid.get(key, 0) + payment["amount"]
        if key not in methods:
            raise Refused(f"payment method {key} not found")
        if methods[key]["source"] != "credit_card" and methods[key]["amount"] < paid[key]:
            raise Refused(f"not enough balance in payment method {key}")
    total = sum(paid.values())
    if total != price:
        raise Refused(f"payment amount does not add up, total price is {price}, but paid {total}")
    for key, amount in paid.items():
        if methods[key]["source"] == "gift_card":
            methods[key]["amount"] -= amount
        elif methods[key]["source"] == "certificate":
            del methods[key]


def _charge(db: Draft, user_id: str, payment_id: str, due: float) -> None:
    """Take the price of a change from a card; money back goes to it."""
    method = _user(db, user_id)["payment_methods"].get(payment_id)
    if method is None:
        raise Refused("payment method not found")
    if method["source"] == "certificate":
        raise Refused("certificate cannot be used to update reservation")
    if method["source"] == "gift_card":
        if method["amount"] < due:
            raise Refused("gift card balance is not enough")
        db.edit("users", user_id)["payment_methods"][payment_id]["amount"] -= due


def _note(reservation: Record, payment_id: str, due: float) -> None:
    if due != 0:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": due})


def _free_booking(db: Draft) -> str:
    return next(key for key in _booking_ids() if db.find("reservations", key) is None)


def _booking_ids() -> Iterator[str]:
    """HATHAT, HATHAU, ... HATHAZ, then with a number."""
    stem, last = FIRST_BOOKING[:-1], ord(FIRST_BOOKING[-1])
    yield from (stem + chr(letter) for letter in range(last, ord("Z") + 1))
    yield from (f"{stem}{step}" for step in count())
