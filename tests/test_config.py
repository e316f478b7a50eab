"""Settings are typed and named in one place; what is wrong is said with the nearest right name."""

from pathlib import Path

import pytest

from conftest import ROOT
from qloratory.config import Config, describe_settings, load_config, section_class
from qloratory.errors import ConfigError

RECIPE = "model: {name_or_path: x/y}\ntrain: {output_dir: out}\n"


def load(tmp_path: Path, text: str = RECIPE, *overrides: str) -> Config:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, list(overrides))


@pytest.mark.parametrize("name", ["smollm2-135m", "qwen2.5-0.5b"])
def test_the_committed_recipes_load(name: str) -> None:
    config = load_config(ROOT / "configs" / f"{name}.yaml")
    assert config.quantization.load_in_4bit
    assert config.quantization.bnb_4bit_use_double_quant
    assert config.lora.target_modules == "all-linear"


def test_numbers_lists_and_null_can_be_given(tmp_path: Path) -> None:
    overrides = ["train.learning_rate=1e-4", "lora.target_modules=[q_proj, v_proj]", "evaluate.limit=null"]
    config = load(tmp_path, RECIPE, *overrides)
    assert config.train.learning_rate == 0.0001
    assert config.lora.target_modules == ["q_proj", "v_proj"]
    assert config.evaluate.limit is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lerning_rate=1", "no setting 'train.lerning_rate'; did you mean 'train.learning_rate'"),
        ("lora.alpha=1", "no setting 'lora.alpha'; did you mean 'lora.lora_alpha'"),
        ("trian.seed=1", "no section 'trian'; did you mean 'train'"),
        ("train.learning_rate=fast", "train.learning_rate cannot be 'fast': it should be a valid number"),
        ("train.learning_rate=-1", "train.learning_rate cannot be -1"),
        ("quantization.bnb_4bit_quant_type=nf8", "bnb_4bit_quant_type cannot be 'nf8'"),
        ("train.adapter_name=../x", "train.adapter_name cannot be"),
        ("train.seed", "an override has the form section.name=value"),
        ("seed=1", "an override has the form section.name=value"),
        ("train.seed=[1", "the value of train.seed cannot be read"),
    ],
)
def test_wrong_overrides_are_one_sentence(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path, RECIPE, override)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot be read as YAML"),
        ("- a", "must hold sections"),
        ("model: {name_or_path: x}", "the recipe lacks train"),
        ("model: {name_or_path: x}\ntrain: {}", "the recipe lacks train.output_dir"),
        (RECIPE + "trian: {}", "no setting 'trian'; did you mean 'train'"),
    ],
)
def test_wrong_recipes_are_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text)


def test_every_setting_is_described() -> None:
    described = describe_settings()
    for section in Config.model_fields:
        for name, field in section_class(section).model_fields.items():
            assert field.description, f"{section}.{name}"
            assert f"{section}.{name} = " in described


def test_an_override_of_what_is_no_section_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="section 'lora' of the recipe must hold settings, not a single value"):
        load(tmp_path, RECIPE + "lora: 4\n", "lora.r=8")
