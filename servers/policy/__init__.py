"""The policy server: an OpenAI-compatible server over an engine in this process, for machines without vLLM.

Owns: `/v1/models`, `/v1/completions`, `/v1/chat/completions`, and batching requests that wait. Does not own: sampling:
the engine is handed in (`core.policy_server.ServedEngine`).
"""
