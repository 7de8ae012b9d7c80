"""Keys of token issuers inside the mesh: istiod has no name for these services, so they come by value (pure).

On a cluster it asks them by their names in Kubernetes' DNS, as the mesh does here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mesh.local.model import Config, Json, Registry, Resource
from mesh.local.runtime.jwks import located

KIND = "RequestAuthentication"


def with_keys(config: Config, registry: Registry, keys: Mapping[str, str]) -> Config:
    """`keys` are the texts of key sets by `jwksUri`; where one is missing, istiod will not have it either."""

    def given(rule: Json) -> Json:
        uri = str(rule.get("jwksUri") or "")
        if rule.get("jwks") or uri not in keys or located(uri, registry) is None:
            return rule
        others = {name: value for name, value in rule.items() if name != "jwksUri"}
        return {**others, "jwks": keys[uri]}

    def told(resource: Resource) -> Resource:
        if resource.kind != KIND or not isinstance(rules := resource.spec.get("jwtRules"), list):
            return resource
        spec = {**resource.spec, "jwtRules": [given(rule) for rule in rules]}
        return replace(resource, body={**resource.body, "spec": spec})

    return Config([told(resource) for resource in config])
