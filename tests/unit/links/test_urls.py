"""The one form of an address: the rules of bookmark files, and what holds for every address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.links.urls import InvalidUrl, ascii_host, host_of, normalise_url, without_tracking


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443", "https://example.org/"),
        ("ftp://example.org:21/x", "ftp://example.org/x"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://example.org:/x", "https://example.org/x"),
        ("http://example.org?Q=1", "http://example.org/?Q=1"),
        ("http://example.org#Top", "http://example.org/#Top"),
        ("https://example.org/A%2fb?x=%C3%A9&Y#F", "https://example.org/A%2fb?x=%C3%A9&Y#F"),
        ("https://example.org/a/../b/./c//", "https://example.org/a/../b/./c//"),
        ("  https://exa\tmple.org/a\r\nb  ", "https://example.org/ab"),
        ("https://User:PassWord@Example.org/", "https://User:PassWord@example.org/"),
        ("https://a@b@Example.org/", "https://a@b@example.org/"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://[::1]:8443", "https://[::1]:8443/"),
        ("https://BÜCHER.example/", "https://bücher.example/"),
        ("https://xn--bcher-kva.example/%C3%BC?q=a+b", "https://xn--bcher-kva.example/%C3%BC?q=a+b"),
        ("http://good.example\\@evil.example/", "http://good.example\\@evil.example/"),
        ("https://example.org/\0x", "https://example.org/x"),
    ],
)
def test_an_address_has_one_form(written: str, normal: str) -> None:
    assert normalise_url(written) == normal


@pytest.mark.parametrize(
    ("written", "reason", "shown"),
    [
        ("", "missing-url", ""),
        (" \t\r\n ", "missing-url", ""),
        ("?abc", "relative-url", "?abc"),
        ("/x", "relative-url", "/x"),
        ("www.example.org/no-scheme", "relative-url", "www.example.org/no-scheme"),
        ("//example.org/", "relative-url", "//example.org/"),
        (" javascript:alert(1) ", "unsupported-scheme", "javascript:alert(1)"),
        ("java\nscript:alert(1)", "unsupported-scheme", "javascript:alert(1)"),
        ("file:///etc/passwd", "unsupported-scheme", "file:///etc/passwd"),
        ("http://", "invalid-url", "http://"),
        ("http:///path", "invalid-url", "http:///path"),
        ("http:example.org", "invalid-url", "http:example.org"),
        ("http://user@/", "invalid-url", "http://user@/"),
        ("http://:80/", "invalid-url", "http://:80/"),
        ("http://example.org:port/", "invalid-url", "http://example.org:port/"),
        ("http://example.org:65536/", "invalid-url", "http://example.org:65536/"),
        ("http://example.org:٨٠/", "invalid-url", "http://example.org:٨٠/"),
        ("http://[::1/", "invalid-url", "http://[::1/"),
        ("http://[nonsense]/", "invalid-url", "http://[nonsense]/"),
        ("http://two words.example/", "invalid-url", "http://two words.example/"),
    ],
)
def test_what_cannot_be_a_bookmark_is_refused_with_its_reason(written: str, reason: str, shown: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        normalise_url(written)
    assert (caught.value.reason, caught.value.url) == (reason, shown)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org:8443/x", "example.org"),
        ("https://u:p@example.org./", "example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://straße.example/", "xn--strae-oqa.example"),
        ("https://[::1]:80/", "[::1]"),
        ("http://good.example\\@evil.example/", "good.example"),
    ],
)
def test_hosts_are_compared_in_one_form(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://example.org/?utm_source=x&id=1&fbclid=y#z", "https://example.org/?id=1#z"),
        ("https://example.org/?UTM_Medium=x", "https://example.org/"),
        ("https://example.org/?gclid=x#utm_source=kept", "https://example.org/#utm_source=kept"),
        ("https://example.org/?a=utm_source&b=%26", "https://example.org/?a=utm_source&b=%26"),
        ("https://example.org/utm_source=x", "https://example.org/utm_source=x"),
        ("https://example.org/?", "https://example.org/?"),
        ("https://example.org/?a&&b", "https://example.org/?a&&b"),
    ],
)
def test_tracking_parameters_go_and_nothing_else_does(url: str, clean: str) -> None:
    assert without_tracking(url) == clean


_hosts = st.one_of(
    st.from_regex(r"[A-Za-z0-9-]{1,12}(\.[A-Za-zÄÖÜß]{2,8}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
_rests = st.one_of(
    st.just(""),
    st.tuples(st.sampled_from("/?#"), st.text(max_size=30)).map("".join).map(lambda t: t.rstrip(" ")),
)


@given(
    scheme=st.sampled_from(["http", "HTTPS", "Ftp"]),
    host=_hosts,
    port=st.one_of(st.none(), st.integers(0, 65_535)),
    rest=_rests,
)
def test_only_scheme_host_port_and_an_empty_path_change(
    scheme: str, host: str, port: int | None, rest: str
) -> None:
    rest = "".join(character for character in rest if character not in "\t\r\n\0").rstrip(" ")
    default = {"http": 80, "https": 443, "ftp": 21}[scheme.lower()]
    port_text = "" if port is None else f":{port}"
    kept_port = "" if port in (None, default) else port_text
    path = rest if rest.startswith("/") else "/" + rest
    assert (
        normalise_url(f" {scheme}://{host}{port_text}{rest} ")
        == f"{scheme.lower()}://{host.lower()}{kept_port}{path}"
    )


_anything = st.one_of(
    st.text(),
    st.tuples(st.sampled_from(["http:", "https://", "HTTP://", "ftp://u@"]), st.text()).map("".join),
)


@given(_anything)
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    try:
        normal = normalise_url(text)
    except InvalidUrl:
        return
    assert normalise_url(normal) == normal
    assert host_of(normal) == ascii_host(host_of(normal))
    assert host_of(normal).isascii()
    assert normalise_url(without_tracking(normal)) == without_tracking(normal)
    assert without_tracking(without_tracking(normal)) == without_tracking(normal)
