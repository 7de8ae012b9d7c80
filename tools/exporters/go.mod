module delinkcious/tools/exporters

go 1.25.0

tool (
	github.com/nats-io/prometheus-nats-exporter
	github.com/oliver006/redis_exporter
	github.com/prometheus-community/postgres_exporter/cmd/postgres_exporter
)
