"""All attacks, by name."""

from __future__ import annotations

from tests.attacks.clients import CLIENTS
from tests.attacks.files import FILES
from tests.attacks.kernels import KERNELS
from tests.attacks.strangers import STRANGERS

ATTACKS = {**STRANGERS, **CLIENTS, **KERNELS, **FILES}
