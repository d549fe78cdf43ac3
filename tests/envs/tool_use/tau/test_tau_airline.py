import pytest

ANN = {"first_name": "Ann", "last_name": "Lee", "dob": "1990-01-01"}
BOOKING = {
    "user_id": "ann_lee_1",
    "origin": "JFK",
    "destination": "ORD",
    "flight_type": "one_way",
    "cabin": "economy",
    "flights": [{"flight_number": "HAT001", "date": "2024-05-20"}],
    "passengers": [ANN],
    "payment_methods": [{"payment_id": "credit_card_1", "amount": 100}],
    "total_baggages": 0,
    "nonfree_baggages": 0,
    "insurance": "no",
}
CHANGE = {
    "reservation_id": "AAA111",
    "cabin": "economy",
    "flights": [{"flight_number": "HAT001", "date": "2024-05-21"}],
    "payment_id": "credit_card_1",
}


def paid(*methods: tuple[str, float]) -> dict:
    return {"payment_methods": [{"payment_id": key, "amount": amount} for key, amount in methods]}


def card(airline) -> float:
    return airline("get_user_details", user_id="ann_lee_1")["payment_methods"]["gift_card_1"]["amount"]


def test_a_direct_search_lists_what_can_be_booked(airline) -> None:
    found = airline("search_direct_flight", origin="ORD", destination="SEA", date="2024-05-20")
    assert [flight["flight_number"] for flight in found] == ["HAT002", "HAT003"]
    assert found[0]["prices"]["economy"] == 100
    assert "dates" not in found[0]


def test_a_direct_search_on_another_day_finds_nothing(airline) -> None:
    assert airline("search_direct_flight", origin="ORD", destination="SEA", date="2024-05-14") == []


def test_a_connection_leaves_after_the_first_flight_has_arrived(airline) -> None:
    pairs = airline("search_onestop_flight", origin="JFK", destination="SEA", date="2024-05-20")
    assert [[flight["flight_number"] for flight in pair] for pair in pairs] == [["HAT001", "HAT002"]]


def test_a_connection_after_midnight_leaves_the_next_day(airline) -> None:
    (pair,) = airline("search_onestop_flight", origin="SEA", destination="JFK", date="2024-05-20")
    assert [flight["date"] for flight in pair] == ["2024-05-20", "2024-05-21"]


def test_a_search_on_a_date_that_is_none_finds_nothing(airline) -> None:
    assert airline("search_onestop_flight", origin="SEA", destination="JFK", date="soon") == []


def test_booking_makes_a_reservation_of_the_user(airline) -> None:
    record = airline("book_reservation", **BOOKING)
    assert record["flights"][0]["price"] == 100
    assert airline("get_user_details", user_id="ann_lee_1")["reservations"] == ["AAA111", record["reservation_id"]]
    assert airline("get_reservation_details", reservation_id=record["reservation_id"]) == record


def test_bookings_have_different_ids(airline) -> None:
    keys = [airline("book_reservation", **BOOKING)["reservation_id"] for _ in range(9)]
    assert keys[:2] == ["HATHAT", "HATHAU"]
    assert len(set(keys)) == 9


def test_bags_and_insurance_are_paid_for(airline) -> None:
    order = {**BOOKING, "nonfree_baggages": 1, "total_baggages": 1, "insurance": "yes"}
    assert "total price is 180, but paid 100" in airline.refuses("book_reservation", **order)


def test_booking_takes_money_off_a_gift_card_and_uses_a_certificate_up(airline) -> None:
    airline("book_reservation", **BOOKING | paid(("gift_card_1", 40), ("certificate_1", 60)))
    methods = airline("get_user_details", user_id="ann_lee_1")["payment_methods"]
    assert methods["gift_card_1"]["amount"] == 80
    assert "certificate_1" not in methods


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"user_id": "nobody"}, "Error: user not found"),
        ({"flights": [{"flight_number": "HAT999", "date": "2024-05-20"}]}, "Error: flight HAT999 not found"),
        (
            {"flights": [{"flight_number": "HAT001", "date": "2024-06-01"}]},
            "Error: flight HAT001 not found on date 2024-06-01",
        ),
        (
            {"flights": [{"flight_number": "HAT001", "date": "2024-05-14"}]},
            "Error: flight HAT001 not available on date 2024-05-14",
        ),
        ({"cabin": "business", "passengers": [ANN, ANN]}, "Error: not enough seats on flight HAT001"),
        ({"cabin": "first"}, "Error: cabin 'first' not found; the cabins are ['basic_economy', 'business', 'economy']"),
        (paid(("credit_card_9", 100)), "Error: payment method credit_card_9 not found"),
        (paid(("gift_card_1", 121)), "Error: not enough balance in payment method gift_card_1"),
        (paid(("credit_card_1", 99)), "Error: payment amount does not add up, total price is 100, but paid 99"),
    ],
)
def test_a_booking_that_cannot_be_is_refused(airline, change: dict, error: str) -> None:
    assert airline.refuses("book_reservation", **BOOKING | change) == error


def test_one_gift_card_cannot_be_overdrawn_by_naming_it_twice(airline) -> None:
    twice = paid(("gift_card_1", 100), ("gift_card_1", 100)) | {"passengers": [ANN, ANN]}
    assert "not enough balance" in airline.refuses("book_reservation", **BOOKING | twice)


def test_cancelling_reverses_the_payments_in_the_history(airline) -> None:
    record = airline("cancel_reservation", reservation_id="AAA111")
    assert record["status"] == "cancelled"
    assert [entry["amount"] for entry in record["payment_history"]] == [90, -90]


def test_new_flights_cost_todays_price_less_what_was_paid(airline) -> None:
    record = airline("update_reservation_flights", **CHANGE | {"payment_id": "gift_card_1"})
    assert record["payment_history"][-1] == {"payment_id": "gift_card_1", "amount": 10}
    assert card(airline) == 110


def test_a_flight_that_stays_keeps_its_price(airline) -> None:
    same = [{"flight_number": "HAT001", "date": "2024-05-20"}]
    record = airline("update_reservation_flights", **CHANGE | {"flights": same})
    assert record["flights"][0]["price"] == 90
    assert len(record["payment_history"]) == 1


def test_another_cabin_is_paid_for_and_not_written_down(airline) -> None:
    same = [{"flight_number": "HAT001", "date": "2024-05-20"}]
    record = airline("update_reservation_flights", **CHANGE | {"flights": same, "cabin": "business"})
    assert (record["flights"][0]["price"], record["cabin"]) == (300, "economy")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reservation_id": "ZZZ999"}, "Error: reservation not found"),
        ({"payment_id": "gift_card_9"}, "Error: payment method not found"),
        ({"payment_id": "certificate_1"}, "Error: certificate cannot be used to update reservation"),
        ({"payment_id": "gift_card_1", "cabin": "business"}, "Error: gift card balance is not enough"),
    ],
)
def test_new_flights_that_cannot_be_are_refused(airline, change: dict, error: str) -> None:
    assert airline.refuses("update_reservation_flights", **CHANGE | change) == error


def test_more_paid_bags_are_charged(airline) -> None:
    bags = {"total_baggages": 3, "nonfree_baggages": 3, "payment_id": "gift_card_1"}
    record = airline("update_reservation_baggages", reservation_id="AAA111", **bags)
    assert (record["total_baggages"], record["payment_history"][-1]["amount"], card(airline)) == (3, 100, 20)


def test_fewer_paid_bags_are_not_refunded(airline) -> None:
    bags = {"total_baggages": 0, "nonfree_baggages": 0, "payment_id": "gift_card_1"}
    record = airline("update_reservation_baggages", reservation_id="AAA111", **bags)
    assert (record["nonfree_baggages"], len(record["payment_history"]), card(airline)) == (0, 1, 120)


def test_passengers_are_replaced(airline) -> None:
    bob = {**ANN, "first_name": "Bob"}
    record = airline("update_reservation_passengers", reservation_id="AAA111", passengers=[bob])
    assert record["passengers"] == [bob]


def test_the_number_of_passengers_stays(airline) -> None:
    error = airline.refuses("update_reservation_passengers", reservation_id="AAA111", passengers=[ANN, ANN])
    assert error == "Error: number of passengers does not match"


def test_each_certificate_has_an_id_of_its_own(airline) -> None:
    texts = [airline("send_certificate", user_id="ann_lee_1", amount=50) for _ in range(2)]
    assert texts[0] == "Certificate certificate_3221322 added to user ann_lee_1 with amount 50."
    assert "certificate_3221323" in texts[1]


def test_airports_are_listed_with_their_cities(airline) -> None:
    assert airline("list_all_airports")["JFK"] == "New York"
