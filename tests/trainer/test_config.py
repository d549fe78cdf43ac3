import pytest
import yaml

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.trainer.config import dump_config, load_config, save_config


def test_file_then_overrides(tmp_path):
    (tmp_path / "run.yaml").write_text("grpo: {lr: 1.0e-5, steps: 3}\n")

    config = load_config(tmp_path / "run.yaml", ["grpo.lr=4e-5", "filter.rule=keep_all"])

    assert (config.grpo.lr, config.grpo.steps, config.filter.rule) == (4e-5, 3, "keep_all")


def test_every_key_is_printed_and_can_be_overridden():
    printed = yaml.safe_load(dump_config(load_config()))

    def overrides(section, prefix=""):
        for key, value in section.items():
            if isinstance(value, dict) and value:
                yield from overrides(value, f"{prefix}{key}.")
            elif value not in (None, {}):
                yield f"{prefix}{key}={value}"

    assert load_config(None, list(overrides(printed))) == load_config()


def test_resolved_config_reads_back(tmp_path):
    config = load_config(None, ["seed=7"])

    save_config(config, tmp_path / "config.yaml")

    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("grpo.lrr=1", r"grpo\.lrr: Extra inputs"),
        ("grpo.lr=-1", r"grpo\.lr: Input should be greater than 0"),
        ("novalue", "expected KEY=VALUE, got 'novalue'"),
        ("seed.x=1", r"config: seed: Input should be a valid integer"),
        ("grpo={", "is not YAML"),
    ],
)
def test_bad_override_names_the_key(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, [override])


def test_override_through_a_value_is_named(tmp_path):
    (tmp_path / "run.yaml").write_text("seed: 1\n")

    with pytest.raises(ConfigError, match="'seed' is a value, not a section"):
        load_config(tmp_path / "run.yaml", ["seed.x=1"])


def test_missing_file_is_named():
    with pytest.raises(NotFound, match=r"found none at nowhere\.yaml"):
        load_config("nowhere.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not YAML"), ("- 1", "expected a mapping")])
def test_bad_file_is_named(tmp_path, text, message):
    (tmp_path / "run.yaml").write_text(text)

    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "run.yaml")
