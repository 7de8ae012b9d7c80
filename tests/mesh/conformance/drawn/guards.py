"""Who may call whom: AuthorizationPolicy, PeerAuthentication, RequestAuthentication."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from tests.mesh.conformance.drawn.fields import NAMESPACES, Drawn, joined, made, one, seldom, some

WORKLOADS = ("reviews", "ratings", "far")
PRINCIPALS = ("cluster.local/ns/default/sa/client", "cluster.local/ns/other/*", "*", "*/stranger")
ISSUER = "https://issuer.example"

_SOURCE = {
    "principals": PRINCIPALS,
    "namespaces": ("default", "other", "oth*"),
    "serviceAccounts": ("default/client", "other/stranger"),
    "ipBlocks": ("127.0.0.0/8", "10.0.0.0/8"),
    "requestPrincipals": ("*", f"{ISSUER}/7", f"{ISSUER}/*", "*/8"),
}
_OPERATION = {
    "paths": ("/a", "/a/*", "*/b", "/{*}/x", "/new*", "/{**}"),
    "methods": ("GET", "POST", "P*"),
    "hosts": ("reviews", "reviews*", "*.cluster.local", "ratings", "shop.*"),
    "ports": ("8080", "80"),
}
_CONDITIONS = {
    "request.headers[x-a]": ("1", "1*", "*"),
    "source.namespace": ("other",),
    "source.principal": PRINCIPALS,
    "destination.port": ("8080",),
    "request.auth.claims[role]": ("admin", "adm*", "*"),
    "request.auth.principal": (f"{ISSUER}/7", "*"),
}


def _selector(*more: str) -> Drawn:
    labels = st.fixed_dictionaries({"app": one(*WORKLOADS, *more)})
    selector = st.fixed_dictionaries({"selector": st.fixed_dictionaries({"matchLabels": labels})})
    return st.just({}) | selector | selector


def _either(table: Mapping[str, tuple[str, ...]]) -> Drawn:
    """One or two fields of the table, each as it is or negated."""
    fields: dict[str, Drawn] = {}
    for name, values in table.items():
        listed = st.lists(one(*values), min_size=1, max_size=2, unique=True)
        fields |= {name: listed, f"not{name[0].upper()}{name[1:]}": listed}
    # identities of the mesh are said in one way at a time
    return some(fields).filter(lambda found: not _twice({*found}))


def _twice(names: set[str]) -> bool:
    by_account = names & {"serviceAccounts", "notServiceAccounts"}
    return bool(by_account and names & {"principals", "notPrincipals", "namespaces", "notNamespaces"})


_CONDITION = st.one_of(
    *(
        joined(
            st.just({"key": key}),
            some({name: st.tuples(one(*values)).map(list) for name in ("values", "notValues")}, most=1),
        )
        for key, values in _CONDITIONS.items()
    )
)
_RULE = some(
    {
        "from": st.tuples(st.fixed_dictionaries({"source": _either(_SOURCE)})).map(list),
        "to": st.tuples(st.fixed_dictionaries({"operation": _either(_OPERATION)})).map(list),
        "when": st.lists(_CONDITION, min_size=1, max_size=1),
    },
    least=0,
)


def authorization_policy() -> Drawn:
    """For one workload, for a namespace, for the mesh, or for the gateway."""
    rules = st.fixed_dictionaries(
        {"action": one("ALLOW", "DENY"), "rules": st.lists(_RULE, min_size=1, max_size=2)}
    )
    spec = joined(_selector("ingressgateway"), rules)
    return st.builds(lambda found, where: made("AuthorizationPolicy", "one", found, where), spec, _where())


def peer_authentication() -> Drawn:
    mode = st.fixed_dictionaries({"mode": one("STRICT", "PERMISSIVE", "DISABLE")})
    ports = st.fixed_dictionaries({"portLevelMtls": st.dictionaries(one("8080"), mode, min_size=1)})
    whole = joined(_selector(), st.fixed_dictionaries({"mtls": mode}), seldom(ports)).map(_selected)
    return st.builds(lambda found, where: made("PeerAuthentication", "peers", found, where), whole, _where())


def _selected(spec: dict[str, object]) -> dict[str, object]:
    """Without ports where there is no selector, which they need."""
    return {name: held for name, held in spec.items() if name != "portLevelMtls" or "selector" in spec}


def request_authentication() -> Drawn:
    rule = joined(
        st.just({"issuer": ISSUER, "jwks": "${JWKS}"}),
        seldom(st.just({"forwardOriginalToken": True})),
        seldom(st.fixed_dictionaries({"audiences": one(["api"], ["other"])})),
        seldom(st.just({"outputClaimToHeaders": [{"header": "x-b", "claim": "role"}]})),
    )
    spec = joined(_selector("ingressgateway"), st.fixed_dictionaries({"jwtRules": st.tuples(rule).map(list)}))
    return st.builds(
        lambda found, where: made("RequestAuthentication", "tokens", found, where), spec, _where()
    )


def _where() -> Drawn:
    return one("default", *NAMESPACES)
