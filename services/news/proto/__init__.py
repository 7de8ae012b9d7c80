"""The gRPC interface: `news.proto`, and the messages that `make proto` generates from it."""
