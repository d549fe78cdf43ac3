"""A small airline and a small shop, made up, in the form of the real tables; and the real ones where they are."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.tool_use.tau.toolkit import TauToolkit


def _flight(name: str, origin: str, to: str, leaves: str, arrives: str, seats: int = 4) -> dict:
    free = {
        "status": "available",
        "available_seats": {"basic_economy": seats, "economy": seats, "business": 1},
        "prices": {"basic_economy": 50, "economy": 100, "business": 300},
    }
    dates = {"2024-05-14": {"status": "landed"}, "2024-05-20": free, "2024-05-21": free}
    return {
        "flight_number": name,
        "origin": origin,
        "destination": to,
        "scheduled_departure_time_est": leaves,
        "scheduled_arrival_time_est": arrives,
        "dates": dates,
    }


AIRLINE = {
    "flights": {
        flight["flight_number"]: flight
        for flight in (
            _flight("HAT001", "JFK", "ORD", "08:00:00", "10:00:00"),
            _flight("HAT002", "ORD", "SEA", "11:00:00", "14:00:00"),
            _flight("HAT003", "ORD", "SEA", "09:00:00", "12:00:00"),
            _flight("HAT004", "JFK", "SEA", "08:00:00", "13:00:00", seats=1),
            _flight("HAT005", "SEA", "ORD", "20:00:00", "01:00:00+1"),
            _flight("HAT006", "ORD", "JFK", "22:00:00", "23:00:00"),
        )
    },
    "reservations": {
        "AAA111": {
            "reservation_id": "AAA111",
            "user_id": "ann_lee_1",
            "origin": "JFK",
            "destination": "ORD",
            "flight_type": "one_way",
            "cabin": "economy",
            "flights": [
                {"origin": "JFK", "destination": "ORD", "flight_number": "HAT001", "date": "2024-05-20", "price": 90}
            ],
            "passengers": [{"first_name": "Ann", "last_name": "Lee", "dob": "1990-01-01"}],
            "payment_history": [{"payment_id": "credit_card_1", "amount": 90}],
            "created_at": "2024-05-01T10:00:00",
            "total_baggages": 1,
            "nonfree_baggages": 1,
            "insurance": "no",
        }
    },
    "users": {
        "ann_lee_1": {
            "name": {"first_name": "Ann", "last_name": "Lee"},
            "address": {"address1": "1 Elm St", "address2": "", "city": "Reno", "country": "USA", "state": "NV"},
            "payment_methods": {
                "credit_card_1": {"source": "credit_card", "id": "credit_card_1"},
                "gift_card_1": {"source": "gift_card", "amount": 120, "id": "gift_card_1"},
                "certificate_1": {"source": "certificate", "amount": 100, "id": "certificate_1"},
            },
            "reservations": ["AAA111"],
        }
    },
}


def _order(key: str, status: str, paid_with: str, amount: float) -> dict:
    items = [
        {"name": "Mug", "product_id": "10", "item_id": "101", "price": 9.5, "options": {"color": "red"}},
        {"name": "Mug", "product_id": "10", "item_id": "101", "price": 9.5, "options": {"color": "red"}},
        {"name": "Lamp", "product_id": "20", "item_id": "201", "price": 31.0, "options": {"power": "USB"}},
    ]
    payment = {"transaction_type": "payment", "amount": amount, "payment_method_id": paid_with}
    home = {"address1": "2 Oak St", "address2": "", "city": "Reno", "country": "USA", "state": "NV", "zip": "89501"}
    return {
        "order_id": key,
        "user_id": "bob_ray_2",
        "address": home,
        "items": items,
        "status": status,
        "payment_history": [payment],
    }


RETAIL = {
    "orders": {
        "#W1": _order("#W1", "pending", "gift_card_2", 50.0),
        "#W2": _order("#W2", "delivered", "credit_card_2", 50.0),
        "#W3": _order("#W3", "pending", "credit_card_2", 5000.0),
    },
    "products": {
        "10": {
            "name": "Mug",
            "product_id": "10",
            "variants": {
                "101": {"item_id": "101", "options": {"color": "red"}, "available": True, "price": 9.5},
                "102": {"item_id": "102", "options": {"color": "blue"}, "available": True, "price": 12.0},
                "103": {"item_id": "103", "options": {"color": "gold"}, "available": True, "price": 999.0},
                "104": {"item_id": "104", "options": {"color": "grey"}, "available": False, "price": 9.0},
            },
        },
        "20": {"name": "Lamp", "product_id": "20", "variants": {}},
    },
    "users": {
        "bob_ray_2": {
            "name": {"first_name": "Bob", "last_name": "Ray"},
            "address": {"address1": "2 Oak St", "address2": "", "city": "Reno", "state": "NV", "zip": "89501"},
            "email": "bob@example.com",
            "payment_methods": {
                "credit_card_2": {"source": "credit_card", "id": "credit_card_2"},
                "gift_card_2": {"source": "gift_card", "balance": 20.0, "id": "gift_card_2"},
            },
            "orders": ["#W1", "#W2", "#W3"],
        }
    },
}


class Shop:
    """A started toolkit whose results are read as JSON where they are JSON."""

    def __init__(self, toolkit: TauToolkit) -> None:
        self.toolkit = toolkit

    def __call__(self, tool: str, **arguments: object):
        text = self.toolkit.call(tool, arguments)
        return json.loads(text) if text[:1] in ("{", "[") else text

    def refuses(self, tool: str, **arguments: object) -> str:
        """The error's text, once it is sure that nothing was changed."""
        before = self.toolkit.digest()
        text = self.toolkit.call(tool, arguments)
        assert self.toolkit.failed(text), text
        assert self.toolkit.digest() == before
        return text


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tau")
    for name, tables in (("airline", AIRLINE), ("retail", RETAIL)):
        (folder / name).mkdir()
        for table, records in tables.items():
            (folder / name / f"{table}.json").write_text(json.dumps(records))
    return folder


@pytest.fixture
def start(made_up: Path) -> Iterator[Callable[[str], TauToolkit]]:
    def started(name: str) -> TauToolkit:
        toolkit = TauToolkit()
        toolkit.start(Origin.model_validate({"kind": "tau", "toolkit": name}), 0)
        return toolkit

    sources.configure({"tau": made_up})
    yield started
    sources.forget("tau")


@pytest.fixture
def airline(start: Callable[[str], TauToolkit]) -> Shop:
    return Shop(start("airline"))


@pytest.fixture
def retail(start: Callable[[str], TauToolkit]) -> Shop:
    return Shop(start("retail"))


@pytest.fixture
def real(shared_data: Path) -> Iterator[Path]:
    """The real databases and runs, as sources; the folder with the runs."""
    runs = shared_data / "trajectories" / "tool_use"
    sources.configure({"tau": shared_data / "tau_bench", "tau_tasks": runs})
    yield runs
    sources.forget("tau", "tau_tasks")
