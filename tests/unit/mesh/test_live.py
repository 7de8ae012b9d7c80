"""What proxies write of a request, in words, and held against what was predicted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.local.live.access_log import Line, Reader
from mesh.local.live.comparing import agreement, differences, told
from mesh.local.live.flags import FLAGS, details_in_words, flags_in_words, reset_reason
from mesh.local.live.happening import Happened, Hop, Logs, parted
from mesh.local.live.sending import Answer
from mesh.local.runtime.state import State

CLUSTER = "outbound|80|v1|reviews.default.svc.cluster.local"
TEXT = (
    '[2026-01-01T00:00:00.000Z] "GET /a?b=c HTTP/1.1" 503 UF,URX '
    "upstream_reset_before_response_started{connection_failure|Connection_refused} - "
    '"delayed connect error: 111" 0 91 12 - "-" "it\'s me" "id-1" "reviews" "127.0.0.5:8080" '
    f"{CLUSTER} 127.0.0.2:3 127.0.0.2:15001 127.0.0.1:4 outbound_.80_.v1_.reviews mesh"
)


read = Reader().read


def test_istios_text_line_is_read_field_by_field() -> None:
    line = read(TEXT)
    assert (line.status, line.flags, line.route) == (503, "UF,URX", "mesh")
    assert (line.cluster, line.upstream, line.local) == (CLUSTER, "127.0.0.5:8080", "127.0.0.2:3")
    assert line.transport_failure == "delayed connect error: 111"
    assert line.server_name == "outbound_.80_.v1_.reviews"


def test_the_same_fields_are_read_as_json() -> None:
    fields = {"response_code": 403, "response_flags": "-", "response_code_details": "rbac_access_denied_x"}
    line = read(json.dumps({**fields, "route_name": None, "upstream_cluster": "inbound|80||"}))
    assert (line.status, line.flags, line.route, line.inbound) == (403, "", "", True)
    assert line.details == "rbac_access_denied_x"


@pytest.mark.parametrize(
    "raw",
    ["{broken", "[]", "another format", '{"a": 1}', TEXT.rpartition(" ")[0], TEXT.replace(" 91 12", "")],
)
def test_a_line_of_another_format_is_kept_as_it_is(raw: str) -> None:
    assert read(raw) == Line(raw)


def test_a_line_that_nearly_matches_takes_no_time() -> None:
    raw = TEXT.replace("it's me", '" "' * 500) + "\n"
    assert read(raw) == Line(raw)


FAKE = '" 200 - via_upstream - "-" 0 0 0 - "-" "-" "id" "x" "9.9.9.9:9" outbound|1||x 9.9.9.9:1 - - x x'


@pytest.mark.parametrize("place", ["it's me", "id-1"])
@pytest.mark.parametrize(
    "written",
    [
        'Mozilla/5.0 (X11; "quoted" here) x',
        r"escaped \" \"quote\" \\",
        '" "',
        '" "' * 2_000,
        '"',
        '" "id-2" "other" "9.9.9.9:9" outbound|9||other 9.9.9.9:1 9.9.9.9:2 9.9.9.9:3 other other',
        FAKE,
        f"GET / HTTP/1.1{FAKE}",
        "tab\there\x01\x7f\x0b\x0c\x1c\x85\u2028 and ü",
        "",
        " ",
        "{",
    ],
)
def test_whatever_a_client_calls_itself_moves_no_field(place: str, written: str) -> None:
    raw = TEXT.replace(place, written)
    assert read(raw) == replace(read(TEXT), raw=raw)


@pytest.mark.parametrize("path", ['/a"b', "/%22%20200", '/"', '/"-"'])
def test_quotes_in_a_path_move_no_field(path: str) -> None:
    raw = TEXT.replace("/a?b=c", path)
    assert read(raw) == replace(read(TEXT), raw=raw)


def test_a_format_may_have_headers_at_both_ends() -> None:
    text = "%REQ(X-A)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% %REQ(X-B)%"
    line = Reader([{"text_format_source": {"inline_string": text}}]).read("a 503 UF 127.0.0.1:80 b c d")
    assert (line.status, line.flags, line.upstream) == (503, "UF", "127.0.0.1:80")


def test_a_text_format_may_look_like_json() -> None:
    text = "{%REQ(X-A)%} %RESPONSE_CODE%"
    assert Reader([{"text_format_source": {"inline_string": text}}]).read("{a} 503").status == 503


def test_lines_are_read_in_the_format_that_the_proxy_has() -> None:
    own = {"json_format": {"code": "%RESPONSE_CODE%", "why": "%RESPONSE_FLAGS%", "to": "%UPSTREAM_HOST%"}}
    line = Reader([own]).read('{"code": 503, "why": "UH", "to": null, "response_flags": "XX"}')
    assert (line.status, line.flags, line.upstream) == (503, "UH", "")
    text = {"text_format_source": {"inline_string": "%REQ(X-A)% [%RESPONSE_FLAGS%] to=%UPSTREAM_HOST%;\n"}}
    line = Reader([text]).read("a [b] [UF] to=127.0.0.1:80;")
    assert line.upstream == "127.0.0.1:80"
    assert Reader([text]).read(TEXT) == Line(TEXT)


def test_a_connection_without_an_answer_has_no_status() -> None:
    assert read(TEXT.replace(" 503 UF", " 0 UF")).status is None


def test_flags_are_told_in_words() -> None:
    [first, second] = flags_in_words("UF,URX")
    assert first.startswith("UF: the connection to the upstream failed")
    assert second.startswith("URX: all retries")
    assert flags_in_words("-") == flags_in_words("") == []
    assert flags_in_words("XYZ") == ["XYZ: a flag that this version does not know"]


def test_every_flag_of_envoy_has_words_of_its_own() -> None:
    # Envoy 1.40, source/common/stream_info: those that an access log can hold.
    known = (
        "DC DF DI DO DPE DR DT FI IH LH LR NC NFCF NR OM RFCF RL RLSE SI UAEX UC UF UH UMSDR UO UPE UR URX UT"
    )
    assert FLAGS.keys() == set(known.split())
    assert len(set(FLAGS.values())) == len(FLAGS)


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("rbac_access_denied_matched_policy[none]", "the policies refuse it: no ALLOW rule matches"),
        (
            "rbac_access_denied_matched_policy[ns[shop]-policy[a]-rule[2]]",
            "rule 2 of AuthorizationPolicy shop/a refuses it",
        ),
        ("jwt_authn_access_denied{Jwt_is_expired}", "the token was refused"),
        ("route_not_found", "no route takes it"),
        ("something_new", ""),
    ],
)
def test_details_are_told_in_words(details: str, words: str) -> None:
    assert details_in_words(details) == words


def test_the_reason_in_braces_is_told() -> None:
    assert reset_reason("upstream_reset{connection_failure|refused}") == "connection failure: refused"
    assert reset_reason("via_upstream") == ""


CODE = "268435581:SSL{0}routines:OPENSSL_internal:"
SANS = "[spiffe://cluster.local/ns/a/sa/my_own]"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("delayed connect error: Connection refused", "delayed connect error: Connection refused"),
        (f"TLS_error:|{CODE}WRONG_VERSION_NUMBER:TLS_error_end", "TLS error: WRONG VERSION NUMBER"),
        (
            f"TLS_error:|{CODE}CERTIFICATE_VERIFY_FAILED:verify{{0}}cert{{0}}failed:{{0}}SAN_matcher,{{0}}"
            f"certificate_SANs_are_{SANS}:TLS_error_end",
            "TLS error: CERTIFICATE VERIFY FAILED: verify cert failed: SAN matcher, "
            f"certificate SANs are {SANS}",
        ),
        (f"TLS_error:|{CODE}FIRST|{CODE}SECOND:TLS_error_end", "TLS error: FIRST: SECOND"),
    ],
)
def test_why_a_connection_failed_is_told_once_and_in_words(failure: str, words: str) -> None:
    # In the details Envoy writes underscores for blanks; in its own field it may leave them.
    inside = failure.format("_").replace(" ", "_")
    details = f"upstream_reset_before_response_started{{connection_failure|{inside}}}"
    line = replace(read(TEXT), details=details, transport_failure=failure.format(" "))
    client = told(seen(503, line, None))["client"]
    broke = "the way to the destination broke before it answered: connection failure"
    assert client["meaning"] == f"{broke}: {words}"
    alone = told(seen(503, replace(line, details=""), None))["client"]
    assert alone["meaning"] == words


def predicted(**changed: Any) -> dict[str, Any]:
    target = {"cluster": CLUSTER, "pods": ["reviews-1"], "mtls": True}
    verdict = {"allowed": True, "status": 200}
    said = {"outcome": "forwarded", "status": None, "route": "mesh", "fault": None}
    return {**said, "targets": [{**target, "verdict": verdict}], **changed}


SERVED = Line("", 200, "", "via_upstream", "", "inbound|8080||", "127.0.0.6:8080", "default", "outbound_.80_")
SENT = Line("", 200, "", "via_upstream", "", CLUSTER, "127.0.0.5:8080", "mesh")
WELL = Happened(
    "id", Answer(200, 1.0), Hop("default/client-1", SENT), (Hop("default/reviews-1", SERVED),), "the process"
)


def seen(status: int | None, first: Line = SENT, then: Line | None = SERVED) -> Happened:
    hops = () if then is None else (Hop("default/reviews-1", then),)
    return replace(WELL, answer=Answer(status, 1.0), first=Hop("default/client-1", first), then=hops)


def test_what_goes_as_predicted_differs_in_nothing() -> None:
    assert differences(predicted(), WELL) == []
    assert differences(predicted(), seen(500)) == []  # the process may say what it likes


def test_what_a_destination_asked_for_is_not_what_became_of_the_request() -> None:
    asked = replace(SENT, raw="asked", status=403, upstream="127.0.0.7:8080")
    refused = replace(SERVED, raw="refused", status=403, details="rbac_access_denied_matched_policy[none]")
    hops = [Hop("default/reviews-1", asked), Hop("default/reviews-1", SERVED), Hop("default/zoo-1", refused)]
    first = Hop("default/client-1", replace(SENT, raw="first"))
    behind = {"namespace": "default", "name": "reviews-1"}
    then, elsewhere = parted([first, *hops], first, behind)
    assert then == (hops[1],)
    assert elsewhere == (hops[0], hops[2])
    happened = replace(WELL, first=first, then=then, elsewhere=elsewhere)
    assert differences(predicted(), happened) == []
    assert [one["pod"] for one in told(happened)["elsewhere"]] == ["default/reviews-1", "default/zoo-1"]


def test_a_sender_that_is_asked_in_turn_is_known_by_what_it_sent(tmp_path: Path) -> None:
    pod = {"namespace": "default", "name": "client-1", "ip": "127.0.0.2"}
    state = State(tmp_path)
    logs = Logs(state, [pod], [])
    file = state.pods / "default" / "client-1" / "logs" / "istio-proxy.log"
    file.parent.mkdir(parents=True)
    file.write_text(f"{TEXT}\n{TEXT.replace(CLUSTER, 'inbound|80||')}\n")
    hop = logs.wait(pod, "id-1", lambda hop: not hop.line.inbound)
    assert hop is not None
    assert hop.line.cluster == CLUSTER


def test_what_a_gateway_behind_hands_on_is_its_own_line() -> None:
    first, own = Hop("default/client-1", replace(SENT, raw="first")), Hop("edge/gate-1", SENT)
    gate = {"namespace": "edge", "name": "gate-1", "gateway": True}
    assert parted([first, own], first, gate) == ((own,), ())
    assert parted([first, own], first, None) == ((), (own,))
    assert parted([own], None, None) == ((own,), ())


def test_what_nobody_wrote_down_is_not_called_as_predicted() -> None:
    assert agreement(WELL) == "It went as predicted."
    assert "is not known" in agreement(replace(WELL, answer=Answer(400, 1.0), first=None))


def test_an_answer_of_a_proxy_in_the_place_of_the_destinations_is_a_difference() -> None:
    failed = replace(SENT, status=503, flags="UF", details="upstream_reset_before_response_started{x}")
    [sentence] = differences(predicted(), seen(503, failed, None))
    assert "status 503 of a proxy came (UF: the connection to the upstream failed" in sentence
    hung = replace(seen(None, failed, None), answer=Answer(None, 1.0, "nothing came back in time"))
    [sentence] = differences(predicted(), hung)
    assert "no answer (nothing came back in time) came" in sentence


def test_a_refusal_of_the_chosen_destination_is_as_predicted() -> None:
    refused = replace(SERVED, status=403, details="rbac_access_denied_matched_policy[none]")
    target = {**predicted()["targets"][0], "verdict": {"allowed": False, "status": 403}}
    assert differences(predicted(targets=[target]), seen(403, SENT, refused)) == []
    [sentence] = differences(predicted(targets=[target]), WELL)
    assert sentence == "status 403 was predicted, status 200 came"


def test_an_injected_fault_is_no_surprise() -> None:
    aborted = replace(SENT, status=418, flags="FI", details="fault_filter_abort")
    assert differences(predicted(fault={"abort": 418}), seen(418, aborted, None)) == []


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (replace(SENT, route="other"), SERVED, "the route mesh was predicted, other was taken"),
        (replace(SENT, cluster="outbound|80|v2|x"), SERVED, f"the destination {CLUSTER} was predicted"),
        (SENT, replace(SERVED, server_name=""), "mutual TLS was predicted, plain text arrived"),
    ],
)
def test_another_way_is_a_difference(first: Line, then: Line, words: str) -> None:
    [sentence] = differences(predicted(), seen(200, first, then))
    assert words in sentence


def test_a_policy_on_tcp_closes_what_was_opened() -> None:
    opened = replace(WELL, answer=Answer(200, 1.0, tunnel="open"))
    assert differences(predicted(), opened) == []
    refused = replace(SERVED, details="rbac_access_denied_matched_policy[none]", status=None)
    shut = replace(opened, then=(Hop("default/reviews-1", refused),))
    [sentence] = differences(predicted(), shut)
    assert sentence.startswith("an open connection was predicted, it was closed at once (the policies")
    assert told(shut)["tunnel"] == "closed"
    target = {**predicted()["targets"][0], "verdict": {"allowed": False, "status": 403}}
    assert differences(predicted(targets=[target]), shut) == []
    assert differences(predicted(targets=[target]), opened) != []


def test_what_happened_is_told_with_the_lines_themselves() -> None:
    shown = told(seen(503, read(TEXT), None))
    assert shown["client"]["accessLog"] == TEXT
    assert shown["client"]["meaning"] == (
        "the way to the destination broke before it answered: connection failure: Connection refused: "
        "delayed connect error: 111"
    )
    assert shown["servers"] == []
