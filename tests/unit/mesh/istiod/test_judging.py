"""What others say against an object, told with file, line and field."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.istiod.judging import refusal

TEXT = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route:
        - destination: { host: reviews }
          wieght: 5
"""


def test_the_words_of_istiods_webhook_are_kept() -> None:
    [resource] = resources.parse(TEXT, "a.yaml")
    said = (
        'admission webhook "validation.istio.io" denied the request: configuration is invalid: weight -5 < 0'
    )
    assert str(refusal(resource, said)) == "a.yaml:1: error: VirtualService reviews: weight -5 < 0"


def test_an_unknown_field_is_told_with_its_line() -> None:
    [resource] = resources.parse(TEXT, "a.yaml")
    said = (
        "failed to create typed patch object (default/reviews; networking.istio.io/v1, Kind=VirtualService): "
        ".spec.http[0].route[0].wieght: field not declared in schema"
    )
    found = refusal(resource, said)
    assert (found.line, found.field) == (9, "spec.http[0].route[0].wieght")
    assert str(found).endswith('error: VirtualService reviews: unknown field "spec.http[0].route[0].wieght"')
