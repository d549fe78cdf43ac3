"""Which SQL does the same, and what a hostile statement can do."""

import pytest
from sql_domain.domain import TASKS, SqlDomain, called

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import validate_all

RUNTIME = Runtime(SqlDomain())
IDLE = TASKS["read/idle"]["gold"][0]
OSLO = TASKS["read/oslo"]["gold"][0]


def query(sql: str) -> Action:
    return called("query", sql=sql)


def reward(expert: Action, candidate: Action) -> float:
    task = next(iter(RUNTIME.tasks()))
    pivot = Pivot(
        id="t:0",
        domain="sql_domain",
        messages=task.messages,
        tools=task.tools,
        reference=expert,
        origin=Origin(kind="sql_domain", task=task.id),
    )
    return RUNTIME.verify(pivot, candidate).reward


def test_gold_pays_and_nothing_and_cheats_do_not() -> None:
    assert [one.to_json() for one in validate_all(RUNTIME, RUNTIME.tasks()) if not one.ok] == []


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (OSLO, "select count(id) as n from customers c where 'Oslo' = c.city"),
        (OSLO, "SELECT SUM(city = 'Oslo') FROM customers"),
        (IDLE, "SELECT c.name FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.id IS NULL"),
        ("SELECT name FROM products", "SELECT name FROM products ORDER BY cents DESC"),
        ("UPDATE products SET stock = stock + 20 WHERE id = 2", "UPDATE products SET stock = 20 WHERE name = 'lamp'"),
        ("DELETE FROM orders WHERE id = 3", "DELETE FROM orders WHERE customer = 2"),
    ],
)
def test_sql_that_does_the_same_is_equivalent(expert: str, candidate: str) -> None:
    assert reward(query(expert), query(candidate)) == 1.0


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (OSLO, "SELECT 3"),
        (OSLO, "SELECT COUNT(*) / 2 FROM customers"),
        (OSLO, "SELECT city FROM customers WHERE city = 'Oslo'"),
        (IDLE, "SELECT 'Dag'"),
        (IDLE, "SELECT * FROM customers"),
        ("SELECT name FROM products ORDER BY cents", "SELECT name FROM products ORDER BY cents DESC"),
        ("UPDATE products SET stock = stock + 20 WHERE id = 2", "UPDATE products SET stock = stock + 20"),
        ("DELETE FROM orders WHERE id = 3", "DELETE FROM orders WHERE id = 4"),
        (OSLO, "SELECT nothing FROM nowhere"),
    ],
)
def test_sql_that_does_something_else_is_not(expert: str, candidate: str) -> None:
    assert reward(query(expert), query(candidate)) == 0.0


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE 'stolen.db' AS stolen",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('x')",
        "SELECT readfile('pyproject.toml')",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT zeroblob(1000000000)",
        "SELECT 1; DELETE FROM orders",
        "BEGIN; DELETE FROM orders",
        "\0",
        "",
    ],
)
def test_a_hostile_statement_changes_and_reaches_nothing(sql: str) -> None:
    with_shop = SqlDomain().world()
    with_shop.start(Origin(kind="sql_domain", task="read/oslo"), 0)
    before = with_shop.digest()
    with_shop.run(query(sql))
    assert with_shop.digest() == before
    fork = with_shop.fork()
    assert fork.digest() == before
    for world in (with_shop, fork):
        world.close()
        world.close()
