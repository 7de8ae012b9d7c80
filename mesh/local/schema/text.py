"""The kinds of text that Istio and Kubernetes tell apart: a rule gives the reason of a refusal, or None."""

from __future__ import annotations

import ipaddress
import re

from mesh.local.schema.header_value import MAX_BYTES, header_value
from mesh.local.schema.language import Text
from mesh.local.schema.re2 import syntax_error

_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", re.ASCII)
_WILDCARD_LABEL = re.compile(r"\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", re.ASCII)
_LABEL_NAME = re.compile(r"[a-zA-Z0-9](?:[-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?", re.ASCII)
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+", re.ASCII)
_STRICT_HEADER = re.compile(r"[-_A-Za-z0-9]+", re.ASCII)
_NUMERIC = re.compile(r"[+-]?[0-9]+", re.ASCII)
_MAX_LABEL = 63
_OBJECT = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)
_MAX_HOST = 255
_MAX_REGEX = 1024  # Istio's own bound; the compiled program is larger


def is_label(text: str) -> bool:
    """Is it a DNS label, upper case allowed, as Istio reads RFC 1123?"""
    return len(text) <= _MAX_LABEL and _LABEL.fullmatch(text) is not None


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def not_empty(text: str) -> str | None:
    return None if text else "must not be empty"


def dns_label(text: str) -> str | None:
    return None if is_label(text) else f'"{text}" is not a valid DNS label'


def object_name(text: str) -> str | None:
    """The name of an object that a field refers to; empty is as if the field were not there."""
    if not text or _OBJECT.fullmatch(text):
        return None
    return f'"{text}" is no valid name: lower case letters, digits, - and .'


def subset_name(text: str) -> str | None:
    if not text:
        return "subset name cannot be empty"
    return None if is_label(text) else f"subset name is invalid: {text}"


def fqdn(text: str) -> str | None:
    if not text:
        return "empty domain name not allowed"
    if len(text) > _MAX_HOST:
        return f'domain name "{text[:40]}..." too long (max {_MAX_HOST})'
    return _labels(text, text.split("."))


def wildcard_host(text: str) -> str | None:
    """A host name of which the first label may be, or begin with, `*`."""
    if not text:
        return "empty domain name not allowed"
    if len(text) > _MAX_HOST:
        return f'domain name "{text[:40]}..." too long (max {_MAX_HOST})'
    first, dot, rest = text.partition(".")
    if len(first) > _MAX_LABEL or not _WILDCARD_LABEL.fullmatch(first):
        return f'domain name "{text}" invalid (label "{first}" invalid)'
    return _labels(text, rest.split(".")) if dot else None


def host_or_ip(text: str) -> str | None:
    return None if is_ip(text) else wildcard_host(text)


def _labels(domain: str, labels: list[str]) -> str | None:
    if _NUMERIC.fullmatch(labels[-1]):
        return f'domain name "{domain}" invalid (top level domain "{labels[-1]}" cannot be all-numeric)'
    names = labels[:-1] if labels[-1] == "" else labels  # "istio.io." is unambiguous
    for label in names:
        if not is_label(label):
            return f'domain name "{domain}" invalid (label "{label}" invalid)'
    return None


def gateway_host(text: str) -> str | None:
    """A host of a Gateway's server: `host`, `namespace/host`, `./host` or `*/host`."""
    namespace, slash, host = text.partition("/")
    if not slash:
        namespace, host = "*", text
    if not namespace or not host:
        return "config namespace and dnsName in host entry cannot be empty"
    if namespace not in ("*", ".") and not is_label(namespace):
        return f'invalid namespace value "{namespace}" in gateway'
    if host != "*" and "." not in host and not is_ip(host):
        return "short names (non FQDN) are not allowed"
    if "*" in host and host != "*" and not host.startswith("*."):
        return f'partial wildcard "{host}" not allowed'
    return host_or_ip(host)


def gateway_name(text: str) -> str | None:
    """A reference to a Gateway: `name`, `namespace/name`, or the legacy host name."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return fqdn(text)
    if not namespace or not name:
        return "config namespace and gateway name cannot be empty"
    if not is_label(namespace):
        return f'invalid value for namespace: "{namespace}"'
    return None if is_label(name) else f'invalid value for gateway name: "{name}"'


def export_to(text: str) -> str | None:
    if text == "~":
        return "exportTo ~ (none) is not allowed for Istio configuration objects"
    if text in (".", "*") or is_label(text):
        return None
    return "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"


def label_key(text: str) -> str | None:
    prefix, slash, name = text.rpartition("/")
    if slash and (len(prefix) > 253 or not all(is_label(part) for part in prefix.split("."))):
        return f'invalid label key "{text}"'
    return None if _LABEL_NAME.fullmatch(name) else f'invalid label key "{text}"'


def label_value(text: str) -> str | None:
    return None if not text or _LABEL_NAME.fullmatch(text) else f'invalid label value "{text}"'


def selector_part(text: str) -> str | None:
    if "*" in text:
        return f'wildcard is not supported in selector: "{text}"'
    return None


def selector_key(text: str) -> str | None:
    return selector_part(text) if text else "empty key is not supported in selector"


def header_name(text: str) -> str | None:
    if not text:
        return "header name cannot be empty"
    if len(text) > MAX_BYTES:
        return f"header name has {len(text)} bytes; Envoy takes {MAX_BYTES}"
    return None if _HEADER.fullmatch(text) else f"header name {text} is not a valid header name"


def strict_header_name(text: str) -> str | None:
    if not text:
        return "header name cannot be empty"
    return None if _STRICT_HEADER.fullmatch(text) else f"header name {text} is not a valid header name"


def is_authority(header: str) -> bool:
    return header.lower() in (":authority", "host")


def header_to_write(text: str) -> str | None:
    """A request header that `set` or `add` may write: also the authority."""
    return None if is_authority(text) else header_to_change(text)


def header_to_change(text: str) -> str | None:
    if not text:
        return "header name cannot be empty"
    if text.lower() == "host":
        return f'invalid header "{text}": cannot set Host header'
    if text.startswith(":"):
        return f'invalid header "{text}": header cannot have ":" prefix'
    return header_name(text)


def regex(text: str) -> str | None:
    if not text:
        return "regex string match should not be empty"
    if len(text) > _MAX_REGEX:
        return f"regex is too large, max length allowed is {_MAX_REGEX}"
    if (reason := syntax_error(text)) is not None:
        return f"error parsing regexp: {reason}; Istio uses RE2 style regex"
    return None


def one_line(text: str) -> str | None:
    return "has a line break, which no header may have" if "\n" in text or "\r" in text else None


def ip_block(text: str) -> str | None:
    """An address, or a range in CIDR form."""
    if not text:
        return "empty value not allowed"
    if "/" not in text:
        return None if is_ip(text) else f"bad IP address ({text})"
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"bad CIDR range ({text})"
    return None if text.rpartition("/")[2].isdigit() else f"bad CIDR range ({text})"


def port_text(text: str) -> str | None:
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) and int(text) <= 65535:
        return None
    return f"bad port ({text})"


HOST = Text(wildcard_host)
NOT_EMPTY = Text(not_empty)
DNS_LABEL = Text(dns_label)
OBJECT_NAME = Text(object_name)
GATEWAY_NAME = Text(gateway_name)
EXPORT_TO = Text(export_to)
LABEL_VALUE = Text(label_value)
HEADER_VALUE = Text(header_value)
ONE_LINE = Text(one_line)
REGEX = Text(regex)
