"""The numbers of this process, for Prometheus, under names that say what is counted."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

requests = Histogram(
    "crm_http_request_seconds",
    "Time to answer, by route and status.",
    ["method", "route", "status"],
    buckets=_SECONDS,
    registry=registry,
)
turned_away = Counter(
    "crm_http_turned_away_total", "Requests answered 503 at once because too many were inside.", registry=registry
)
pool = Gauge(
    "crm_db_pool_connections",
    "Connections of this process, by state.",
    ["role", "state"],
    registry=registry,
)
pool_wait = Histogram(
    "crm_db_pool_wait_seconds", "Wait for a database connection.", buckets=_SECONDS, registry=registry
)
webhooks = Counter(
    "crm_webhook_events_total", "Webhook POSTs: stored, refused, failed.", ["outcome"], registry=registry
)
lag = Histogram(
    "crm_webhook_lag_seconds",
    "From the moment a webhook was stored to the commit of what it brought.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
    registry=registry,
)
refused_numbers = Counter(
    "crm_webhook_refused_numbers_total",
    "Numbers of ours named by webhooks whose signature was wrong.",
    registry=registry,
)
elements = Counter(
    "crm_webhook_elements_total",
    "What webhooks held: message, status, change, unknown type, other, silent or replay, ignored, dead.",
    ["kind"],
    registry=registry,
)
sends = Counter("crm_sends_total", "Calls to Meta's messages, by outcome.", ["outcome"], registry=registry)
graph = Histogram(
    "crm_graph_seconds", "Time of a call to the Graph API.", ["call"], buckets=_SECONDS, registry=registry
)
media = Counter("crm_media_total", "Media fetched from Meta: ready, failed, again.", ["outcome"], registry=registry)
sockets = Gauge("crm_sockets", "Open WebSockets of this process.", registry=registry)
dropped = Counter("crm_sockets_dropped_total", "Sockets closed by us, by code.", ["code"], registry=registry)
caught_up = Counter(
    "crm_feed_caught_up_total", "Events read from the feed because Redis lost them.", registry=registry
)
replica_lag = Gauge(
    "crm_replica_lag_seconds", "How old the replica's rows are at most; +Inf: not known.", registry=registry
)
replica_reads = Counter(
    "crm_replica_reads_total",
    "Requests a replica may answer, by who did.",
    ["by"],
    registry=registry,
)
waiting = Gauge("crm_waiting", "Rows that wait to be worked: webhook_events, sends.", ["what"], registry=registry)
oldest = Gauge(
    "crm_waiting_oldest_seconds", "Age of the oldest row that waits, by queue.", ["what"], registry=registry
)
tenants_oldest = Gauge(
    "crm_tenant_waiting_oldest_seconds",
    "Age of the oldest row that waits, by queue and tenant.",
    ["what", "tenant"],
    registry=registry,
)
buried = Counter("crm_dead_letters_total", "Things that could not be worked, by kind.", ["kind"], registry=registry)
# Of what is told by tenant, the 20 with the most; the sums are of all.
letters = Gauge(
    "crm_dead_letters_waiting", "Dead letters nobody has looked into, by tenant.", ["tenant"], registry=registry
)
letters_all = Gauge("crm_dead_letters_open", "Dead letters nobody has looked into, in all.", registry=registry)
paused = Gauge(
    "crm_channels_paused", "Channels Meta lets us send nothing over, by tenant.", ["tenant"], registry=registry
)
paused_all = Gauge(
    "crm_channels_paused_open", "Channels Meta lets us send nothing over, in all.", registry=registry
)
silent = Gauge(
    "crm_channels_silent",
    "Channels silent against earlier weeks, by tenant.",
    ["tenant"],
    registry=registry,
)
notices = Gauge(
    "crm_channel_notices", "Channels with an open notice of a kind, INFO left out.", ["kind"], registry=registry
)
disk = Gauge("crm_disk_bytes", "The disk under the media folder: free, size.", ["what"], registry=registry)
# With a label: one that is not watched then has no line.
certificate = Gauge(
    "crm_certificate_ends_timestamp_seconds", "Until when the certificate is valid.", ["of"], registry=registry
)
backup = Gauge(
    "crm_backup_timestamp_seconds", "When a backup last was good, tried, verified.", ["what"], registry=registry
)
backup_failed = Gauge("crm_backup_failed", "Whether the last backup failed.", registry=registry)
logins = Counter("crm_logins_total", "Logins: ok, refused, limited.", ["outcome"], registry=registry)


worker_turn = Gauge(
    "crm_worker_turn_seconds", "Since the worker last went on to its next piece of work.", registry=registry
)


@contextmanager
def served(host: str, port: int) -> Iterator[None]:
    """Serve the numbers of a process that has no doors of its own, such as the worker; port 0 serves nothing."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page() -> bytes:
    """Everything, in Prometheus' text format."""
    return generate_latest(registry)


CONTENT_TYPE = CONTENT_TYPE_LATEST
