"""Who may come in: hosts, origins, other sites' pages, tokens."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from starlette.testclient import TestClient

from koalarize.cli import main
from koalarize.errors import OptionError
from koalarize.web.server import checked_token
from rest import API, HOST, client, problem

SITE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
SECRET = "geheim geheim geheim"
TOKENS = [
    SECRET,
    "a+b&c#d%e;f=g?h/i",
    "%2B%26%23%25%3B%20",
    "Fünfzehn Äpfel und Öl",
    "quote\"quote\\quote'quote",
    "trailing%%%%%%%%%",
    "0123456789abcdef",
]


def listening(monkeypatch):
    """Return what would have been served: pairs of application and first page."""
    served = []

    def serve(app, host, port, browser, *, announce, path, patience):
        served.append((app, path))

    monkeypatch.setattr("koalarize.web.server.serve", serve)
    return served


class TestGuard:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", ""])
    def test_other_hosts(self, service, host):
        answer = service.get(f"{API}/models", headers={"host": host})
        said = problem(answer, 421, "other-host", "start it with `--trusted-host` and the name")
        assert (f"and `{host}` is none" in said["detail"]) is bool(host)

    def test_other_origins(self, service, exif):
        headers = {"origin": "http://evil.example"}
        answer = service.post(f"{API}/photos", content=exif, headers=headers)
        problem(answer, 403, "other-origin")
        assert service.post(f"{API}/photos", content=exif, headers={"origin": HOST}).is_success

    def test_headers(self, service):
        headers = service.get(f"{API}/health").headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers

    def test_a_token(self):
        with client(token=SECRET) as opened:
            said = opened.get(f"{API}/models", headers={"host": "studio.lan"})
            problem(said, 401, "token-needed")
            assert said.headers["www-authenticate"] == "Bearer"
            wrong = {"authorization": "Bearer falsch"}
            problem(opened.get(f"{API}/models", headers=wrong), 401, "token-needed")
            right = {"authorization": f"Bearer {SECRET}", "host": "studio.lan"}
            assert opened.get(f"{API}/models", headers=right).status_code == 200
            assert opened.get(f"{API}/health").status_code == 200


class TestTokens:
    @pytest.mark.parametrize("token", TOKENS)
    def test_any_character_logs_in(self, token):
        with client(token=token) as opened:
            first = opened.get("/", params={"token": token}, follow_redirects=False)
            assert (first.status_code, first.headers["location"]) == (303, "./")
            assert "HttpOnly" in first.headers["set-cookie"]
            assert opened.get(f"{API}/models").status_code == 200
            opened.cookies.clear()
            header = {"authorization": f"Bearer {token}".encode()}
            assert opened.get(f"{API}/models", headers=header).status_code == 200
            wrong = opened.get(f"{API}/models", params={"token": token[:-1]})
            problem(wrong, 401, "token-needed")

    @pytest.mark.parametrize("token", TOKENS)
    def test_the_printed_address_logs_in(self, token, monkeypatch):
        printed = listening(monkeypatch)
        assert main(["serve", "--no-browser", "--token", token]) == 0
        ((app, path),) = printed
        with TestClient(app, base_url=HOST) as opened:
            assert opened.get(path, follow_redirects=False).status_code == 303

    def test_the_cookie_tells_nothing_and_is_of_one_port(self):
        with client(token=SECRET) as opened:
            said = opened.get("/", params={"token": SECRET}, follow_redirects=False)
            cookie = said.headers["set-cookie"]
            assert cookie.startswith("koalarize-8765=")
            assert "geheim" not in cookie
            other = {"host": "127.0.0.1:8766"}
            problem(opened.get(f"{API}/models", headers=other), 401, "token-needed")

    @pytest.mark.parametrize("foreign", ['theme={"mode":"dark"}', "a b=c", "lonely", "=", "é=ü"])
    def test_a_foreign_cookie_locks_nobody_out(self, foreign):
        with client(token=SECRET) as opened:
            said = opened.get("/", params={"token": SECRET}, follow_redirects=False)
            own = said.headers["set-cookie"].partition(";")[0]
            opened.cookies.clear()
            for cookies in (f"{foreign}; {own}", f"{own}; {foreign}"):
                headers = {"cookie": cookies.encode()}
                assert opened.get(f"{API}/models", headers=headers).is_success
            wrong = {"cookie": f"{foreign}; {own[:-8]}".encode()}
            problem(opened.get(f"{API}/models", headers=wrong), 401, "token-needed")

    def test_other_parameters_are_kept(self):
        with client(token=SECRET) as opened:
            asked = {"open": "a b&c", "token": SECRET, "x": ""}
            for method in ("HEAD", "GET"):
                said = opened.request(method, "/", params=asked, follow_redirects=False)
                assert said.headers["location"] == "./?open=a+b%26c&x="

    @pytest.mark.parametrize("path", ["/", f"{API}/docs", "//evil.example", "/a:b", "/%2F%2Fevil"])
    def test_the_way_back_stays_on_this_server_and_below_a_proxys_path(self, path):
        with client(token=SECRET) as opened:
            said = opened.get(f"{HOST}{path}?token={SECRET}", follow_redirects=False)
        for front in (HOST, "https://photos.example/koala"):
            there = urljoin(f"{front}{path}", said.headers["location"])
            assert there.startswith(f"{front}/")
            assert unquote(urlsplit(there).path).endswith(unquote(path).rpartition("/")[2])

    def test_no_page_names_an_address_from_the_root(self, service):
        with client(token=SECRET) as opened:
            token_page = opened.get("/", headers={"accept": "text/html"}).text
        for page in (token_page, service.get("/").text, service.get(f"{API}/docs").text):
            assert not re.findall(r"""(?:href|src|action)=["']/[^"']*""", page)

    @pytest.mark.parametrize(
        "token", ["", "x", "fifteen letters", " " * 20, "line\nbreak 16 letters"]
    )
    def test_tokens_that_are_none(self, token):
        with pytest.raises(OptionError, match="at least 16"):
            checked_token(token)
        with pytest.raises(OptionError, match="at least 16"), client(token=token):
            pass

    def test_a_file_that_holds_it(self, tmp_path, monkeypatch, capsys):
        printed = listening(monkeypatch)
        file = tmp_path / "token"
        file.write_text(f"{SECRET}\n")
        monkeypatch.setenv("KOALARIZE_TOKEN_FILE", str(file))
        assert main(["serve"]) == 0
        assert printed[0][1] == "/?token=geheim%20geheim%20geheim"
        assert main(["serve", "--token", SECRET]) == 2
        assert "leave one" in capsys.readouterr().err
        file.unlink()
        assert main(["serve"]) == 2
        assert "cannot be read" in capsys.readouterr().err


def test_the_name_of_a_proxy(monkeypatch):
    served = listening(monkeypatch)
    assert main(["serve", "--trusted-host", "photos.example"]) == 0
    ((app, _),) = served
    with TestClient(app, base_url="http://photos.example") as opened:
        assert opened.get(f"{API}/health").is_success
        problem(opened.get(f"{API}/health", headers={"host": "evil.example"}), 421, "other-host")


class TestTokenPage:
    """A person who comes without the token gets a field for it."""

    def test_a_field(self):
        with client(token=SECRET) as opened:
            page = opened.get("/", headers={"accept": "text/html,*/*;q=0.8"})
            assert page.status_code == 401
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert '<input name="token" type="password"' in page.text
            (style,) = re.findall("<style>(.*?)</style>", page.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
            assert "was wrong" not in page.text
            again = opened.get("/?token=wrong", headers={"accept": "text/html"})
            assert "was wrong" in again.text

    def test_programs_get_a_problem(self):
        with client(token=SECRET) as opened:
            problem(opened.get("/", headers={"accept": "*/*"}), 401, "token-needed")
            html = {"accept": "text/html"}
            problem(opened.get(f"{API}/models", headers=html), 401, "token-needed")


class TestOtherSites:
    """A page of another site can make a browser ask, but gets no answer."""

    @pytest.mark.parametrize("path", [f"{API}/gamut.png?lightness=50", "/", f"{API}/health"])
    def test_pictures_of_other_pages(self, service, path):
        problem(service.get(path, headers=SITE), 403, "other-origin", "other sites")
        own = {**SITE, "sec-fetch-site": "same-origin"}
        assert service.get(path, headers=own).is_success

    def test_a_link_may_be_followed_but_not_into_a_frame(self, service):
        link = {**SITE, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert service.get("/", headers=link).is_success
        problem(service.get("/", headers={**link, "sec-fetch-dest": "iframe"}), 403, "other-origin")


def test_a_refused_page_is_told_both_names_and_what_a_proxy_must_pass_on(service):
    headers = {"origin": "https://a.example"}
    answer = service.post(f"{API}/photos/leave", json={"ids": []}, headers=headers)
    problem(answer, 403, "other-origin", "a page of `https://a.example` asked `127.0.0.1:8765`")
    assert "a proxy before it must pass on the `Host`" in answer.json()["detail"]
