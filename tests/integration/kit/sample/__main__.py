from services.kit import command

command.main("tests.integration.kit.sample")
