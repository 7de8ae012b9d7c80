from services.kit import run
from tests.integration.kit.sample.app import Settings, create

run.main("tests.integration.kit.sample", Settings, create)
