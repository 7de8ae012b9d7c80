"""The few messages of Envoy's SDS that the mesh speaks; `make proto` generates them."""
