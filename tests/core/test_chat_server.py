import pytest

from pivotgym.core.chat_server import ChatServer, parse_chat_server
from pivotgym.core.errors import ConfigError

GIVEN = ["base_url=http://127.0.0.1:8001/v1", "model = judge=7b", "timeout_s=5"]


def test_a_server_is_read_from_pairs() -> None:
    server = parse_chat_server("--judge", GIVEN)
    assert server == ChatServer(base_url="http://127.0.0.1:8001/v1", model="judge=7b", timeout_s=5.0)


def test_no_pairs_are_no_server() -> None:
    assert parse_chat_server("--judge", []) is None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["model"], "--judge: expected NAME=VALUE, got 'model'"),
        (["model=m"], "--judge: base_url"),
        ([*GIVEN, "key=sk-1"], "--judge: key"),
        ([*GIVEN, "retries=-1"], "--judge: retries"),
    ],
)
def test_what_does_not_fit_is_named(pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        parse_chat_server("--judge", pairs)
