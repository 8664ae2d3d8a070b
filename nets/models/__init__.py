"""The paper's networks: each builds its net and says how it is trained."""
