"""The fake Meta (ops/fake_meta), checked by itself and by an independent client, pywa."""
