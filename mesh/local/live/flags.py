"""Envoy's response flags and response code details in words (pure).

The flags are those of Envoy 1.40's access log, %RESPONSE_FLAGS%.
"""

from __future__ import annotations

import re

FLAGS = {
    "DC": "the client closed the connection before the answer was complete",
    "DF": "the name of the upstream could not be resolved (DNS)",
    "DI": "a fault was injected: a delay",
    "DO": "dropped on purpose: the endpoints were told to shed load",
    "DPE": "the client did not speak HTTP as it should",
    "DR": "the client reset its stream",
    "DT": "the connection or the request lasted longer than it may",
    "FI": "a fault was injected: an answer in the place of the destination's",
    "IH": "a header that is checked strictly had a value that is not allowed",
    "LH": "the proxy's own health check says that it is down",
    "LR": "the proxy reset the connection itself",
    "NC": "the destination's cluster does not exist: an unknown host, port or subset",
    "NFCF": "a filter of the proxy has no configuration yet",
    "NR": "no route: no rule of any VirtualService takes the request, or no listener's filter chain does",
    "OM": "the proxy is overloaded and sheds load",
    "RFCF": "answered out of a cache",
    "RL": "the local rate limit is reached",
    "RLSE": "the rate limit service did not answer",
    "SI": "nothing was sent for so long that the stream was ended",
    "UAEX": "the external authorization service said no",
    "UC": "the upstream closed the connection before it had answered",
    "UF": "the connection to the upstream failed: nobody listens there, or the two disagree about TLS",
    "UH": "no healthy pod: none is ready, or all of them are ejected",
    "UMSDR": "the stream upstream lasted longer than it may",
    "UO": "the connection pool is full: a circuit breaker is open",
    "UPE": "the upstream did not speak HTTP as it should",
    "UR": "the upstream reset the stream",
    "URX": "all retries, or attempts to connect, were used up",
    "UT": "the upstream did not answer within the timeout",
}

_RBAC = re.compile(r"rbac_access_denied_matched_policy\[(?P<policy>.*)\]")
_ISTIO_RULE = re.compile(r"ns\[(?P<namespace>.*)\]-policy\[(?P<name>.*)\]-rule\[(?P<rule>\d+)\]")
_DETAILS = (
    ("via_upstream", "the upstream answered"),
    ("direct_response", "the rule answers itself"),
    ("route_not_found", "no route takes it"),
    ("cluster_not_found", "the cluster does not exist"),
    ("no_healthy_upstream", "no pod is ready"),
    ("fault_filter_abort", "a fault of the rule answered"),
    ("jwt_authn_access_denied", "the token was refused"),
    ("ext_authz_denied", "the external authorizer refused it"),
    ("ext_authz_error", "the external authorizer could not be asked"),
    ("upstream_response_timeout", "the destination did not answer in time"),
    ("response_timeout", "the destination did not answer in time"),
    ("request_overall_timeout", "the request lasted too long in all"),
    ("upstream_per_try_timeout", "one try lasted too long"),
    ("upstream_max_stream_duration_reached", "the stream lasted too long"),
    ("upstream_reset_before_response_started", "the way to the destination broke before it answered"),
    ("upstream_reset_after_response_started", "the way to the destination broke while it answered"),
    ("downstream_remote_disconnect", "the client went away"),
    ("downstream_local_disconnect", "the proxy ended the client's connection"),
    ("overflow", "the connection pool is full"),
    ("missing_host", "the request has no Host"),
    ("path_normalization_failed", "the path cannot be cleaned"),
    ("internal_redirect", "redirected inside the proxy"),
    ("upgrade_failed", "the upgrade is not allowed there"),
    ("dns_resolution_failure", "the name is unknown to DNS"),
    ("dns_cache_overflow", "too many names are being resolved"),
)


def flags_in_words(flags: str) -> list[str]:
    """Each of the flags of an access log line (`UF,URX`) with its meaning."""
    found = [flag for flag in flags.split(",") if flag not in ("", "-")]
    return [f"{flag}: {FLAGS.get(flag, 'a flag that this version does not know')}" for flag in found]


def details_in_words(details: str) -> str:
    """What Envoy's response code details say; empty where they say nothing more."""
    if match := _RBAC.search(details):
        policy = match["policy"]
        if policy == "none":
            return "the policies refuse it: no ALLOW rule matches"
        if rule := _ISTIO_RULE.fullmatch(policy):
            return f"rule {rule['rule']} of AuthorizationPolicy {rule['namespace']}/{rule['name']} refuses it"
        return f"the policy {policy} refuses it"
    return next((words for start, words in _DETAILS if details.startswith(start)), "")


def reset_reason(details: str) -> str:
    """What stands in braces behind the details: `connection_failure`, and the transport's own words."""
    found = re.search(r"\{(.*)\}", details)
    reason, _, why = found[1].partition("|") if found else ("", "", "")
    return ": ".join(words for words in (transport_in_words(reason), transport_in_words(why)) if words)


def transport_in_words(text: str) -> str:
    """Why a connection failed, as Envoy says it, without the numbers of the TLS library and its own marks."""
    tls = _TLS_ERROR.sub(lambda error: f"TLS error: {_spaced(_TLS_CODE.sub(':', error[1]), ':')}", text)
    return _spaced(tls, "")


def _spaced(text: str, ends: str) -> str:
    """Blanks for underscores, and behind `ends`; what stands in brackets are names."""
    pattern = rf"\[[^\]]*\]|[_{ends}]+ ?"
    return re.sub(pattern, lambda found: _BLANKS.get(found[0][0], found[0]), text.strip(ends))


_TLS_ERROR = re.compile(r"TLS_error:(.*?):?TLS_error_end")
_TLS_CODE = re.compile(r"\|?\d+:SSL[ _]routines:OPENSSL[ _]internal:")
_BLANKS = {"_": " ", ":": ": "}
