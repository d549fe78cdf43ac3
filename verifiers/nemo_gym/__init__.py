"""NeMo Gym's own scoring of pivots, for people who train on NVIDIA's data and want its rewards. Never the default.

Owns: the rewards of four of its resources servers, as they come with the settings it ships (NeMo Gym 07d6b0d, August
2026). Does not own: our functional verifier, which disagrees with them on purpose, nor its other servers
(`workplace_assistant`, `xlam_fc`, `string_match`, `google_search`, the LLM judges): they do not score pivots.

    nemo_gym.single_step_tool_use_with_argument_comparison   `single_step`
    nemo_gym.swe_pivot                                       `swe_pivot`
    nemo_gym.terminus_judge                                  `terminus` (the part that needs no judge)
    nemo_gym.terminal_multi_harness                          `multi_harness`

A rule's options follow its name, as in a URL: `nemo_gym.swe_pivot?reward_mode=continuous`. Nothing is run, so every
verdict says `executed: false`. What they are known for is reproduced too: any text where the expert spoke is worth 1.0,
words of a long text may differ, and `difflib` drops frequent characters.

Where we differ, and why:
- A broken *expected* action is refused (`PivotRefused`), where NeMo Gym answers 500, or a reward of 0.
- Arguments nested too deeply to be read are worth 0.0, where it answers 500.
- `/verify` reads empty arguments as an empty object before any rule sees them; `/nemo_gym/verify` does not.
- Reasons are told in our words, not as its categories.
"""
