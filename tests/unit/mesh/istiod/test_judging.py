"""What others say against an object, told with file, line and field."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.check import Judged
from mesh.local.istiod.judging import beforehand, refusals

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


def _told(said: str) -> list[str]:
    [resource] = resources.parse(TEXT, "a.yaml")
    return [str(found) for found in refusals(resource, said)]


def test_the_words_of_istiods_webhook_are_kept() -> None:
    said = (
        'admission webhook "validation.istio.io" denied the request: configuration is invalid: weight -5 < 0'
    )
    assert _told(said) == ["a.yaml:1: error: VirtualService reviews: weight -5 < 0"]


def test_an_unknown_field_is_told_with_its_line() -> None:
    [resource] = resources.parse(TEXT, "a.yaml")
    said = (
        "failed to create typed patch object (default/reviews; networking.istio.io/v1, Kind=VirtualService): "
        ".spec.http[0].route[0].wieght: field not declared in schema"
    )
    [found] = refusals(resource, said)
    assert (found.line, found.field) == (9, "spec.http[0].route[0].wieght")
    assert str(found).endswith('error: VirtualService reviews: unknown field "spec.http[0].route[0].wieght"')


def test_every_mistake_that_istiod_tells_of_an_object_is_a_finding() -> None:
    said = (
        'admission webhook "validation.istio.io" denied the request: configuration is invalid: '
        "3 errors occurred:\n\t* weight -5 < 0\n\t* no * in a name\n\t* weight -5 < 0\n\n"
    )
    place = "a.yaml:1: error: VirtualService reviews: "
    assert _told(said) == [f"{place}weight -5 < 0", f"{place}no * in a name"]


def test_every_field_of_another_shape_is_a_finding_with_its_line() -> None:
    said = (
        "failed to create typed patch object (default/reviews; networking.istio.io/v1, Kind=VirtualService): "
        "errors:\n  .spec.hosts: expected list, got &{a}\n"
        "  .spec.http[0].route[0].wieght: field not declared in schema\n"
        '  .spec.ports: duplicate entries for key [name="a"]'
    )
    assert _told(said) == [
        'a.yaml:4: error: VirtualService reviews: spec.ports: duplicate entries for key [name="a"]',
        "a.yaml:5: error: VirtualService reviews: spec.hosts: expected list, got &{a}",
        'a.yaml:9: error: VirtualService reviews: unknown field "spec.http[0].route[0].wieght"',
    ]


def test_every_field_that_the_schema_refuses_is_a_finding_with_its_line() -> None:
    kind = 'VirtualService.networking.istio.io "reviews" is invalid: '
    several = (
        kind + '[spec.hosts: Unsupported value: "A": supported: "B", "C", spec.http[0].timeout: Invalid '
        'value: "1us": must be longer, <nil>: Invalid value: null: some rules were not checked]'
    )
    assert _told(several) == [
        'a.yaml:5: error: VirtualService reviews: spec.hosts: Unsupported value: "A": supported: "B", "C"',
        'a.yaml:7: error: VirtualService reviews: spec.http[0].timeout: Invalid value: "1us": must be longer',
    ]
    assert _told(kind + "spec.hosts: Required value") == [
        "a.yaml:5: error: VirtualService reviews: spec.hosts: Required value"
    ]


ODD = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: odd }
spec: { hosts: 3, ports: [1, { number: x }], addresses: 7, workloadSelector: 5, endpoints: [6, { ports: 8 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: odd }
spec: [1]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: inside }
spec:
  address: 127.20.128.5
  ports: 9
"""


def test_what_istiod_is_to_judge_is_judged_beforehand_for_leading_into_a_pod_in_whatever_shape() -> None:
    config, found = beforehand(resources.parse(ODD, "a.yaml"), Judged())
    assert [str(one) for one in found] == [
        "a.yaml:15: error: WorkloadEntry default/inside: spec.address: 127.20.128.5 is where a pod's process "
        "listens, behind its sidecar: no request is led there"
    ]
    assert len(list(config)) == 3
