"""`[redis]`: what may stand together, and what comes of it."""

from __future__ import annotations

import pytest

from gateway.composition.redis import build_redis_link
from gateway.errors import SettingsError
from gateway.redis_link import Cluster, OneServer, SentinelMaster
from gateway.settings import Settings, load

UPSTREAM = {"upstream": "http://127.0.0.1:1"}
SECRET = "correct-horse-battery-staple"


def problems(**given: object) -> list[str]:
    with pytest.raises(SettingsError) as told:
        load(None, {}, {**UPSTREAM, **{name.replace("__", "."): value for name, value in given.items()}})
    return told.value.problems


def topology(**given: object):
    link = build_redis_link(Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}, "redis": given}))
    return link._topology


def test_without_a_url_there_is_no_redis():
    assert build_redis_link(Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}})) is None


@pytest.mark.parametrize(
    ("url", "address", "database"),
    [
        ("redis://cache", ("cache", 6379), 0),
        ("redis://Cache.example:7000/3", ("Cache.example", 7000), 3),
        ("redis://10.0.0.7/", ("10.0.0.7", 6379), 0),
        ("redis://[::1]:7000/1", ("::1", 7000), 1),
        ("rediss://[fd00::7]", ("fd00::7", 6379), 0),
    ],
)
def test_a_url_names_one_server(url, address, database):
    one = topology(url=url)
    assert isinstance(one, OneServer)
    assert one._node.address == address
    assert one._node._rules.database == database
    assert (one._node._rules.tls is not None) == url.startswith("rediss")


def test_sentinels_know_where_the_service_is():
    topology_ = topology(url="redis://Weft-Cache/2", sentinels=["s1", "s2:7001", "[::1]"], sentinel_password=SECRET)
    assert isinstance(topology_, SentinelMaster)
    assert topology_._service == "Weft-Cache"
    assert topology_._sentinels == (("s1", 26379), ("s2", 7001), ("::1", 26379))
    assert SECRET not in repr(topology_._credentials)


def test_a_cluster_is_named_by_some_of_its_servers():
    cluster = topology(url="redis://a,b:7001,[::1]:7002", cluster=True)
    assert isinstance(cluster, Cluster)
    assert cluster._seeds == (("a", 6379), ("b", 7001), ("::1", 7002))


def test_more_than_one_worker_is_fine_with_redis():
    load(None, {}, {**UPSTREAM, "workers": "4", "redis.url": "redis://cache"})


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"redis__url": "http://cache"}, "redis.url: expected redis://HOST[:PORT][/DATABASE] or rediss:// for TLS, without user and password"),
        ({"redis__url": "redis://"}, "redis.url: expected redis://HOST"),
        ({"redis__url": "redis://a/b"}, "redis.url: expected redis://HOST"),
        ({"redis__url": "redis://a", "redis__prefix": "a{b"}, "redis.prefix: expected a name"),
        ({"redis__sentinels": ["a"]}, "redis.url: required, not set"),
        ({"redis__cluster": True}, "redis.url: required, not set"),
        ({"redis__url": "redis://a", "redis__sentinels": ["a"], "redis__cluster": True}, "redis.cluster: expected false where redis.sentinels"),
        ({"redis__url": "redis://a:1", "redis__sentinels": ["a"]}, "redis.url: expected redis://SERVICE[/DATABASE], got"),
        ({"redis__url": "redis://a,b"}, "redis.url: expected one host, got"),
        ({"redis__url": "redis://a/1", "redis__cluster": True}, "redis.url: expected no database but 0, got"),
        ({"redis__url": "redis://a", "redis__tls_ca_file": "x"}, "redis.url: expected rediss://…, got"),
        ({"redis__url": "rediss://a", "redis__tls_key_file": "x"}, "redis.tls_cert_file: required, not set"),
        ({"redis__url": "redis://a", "redis__username": "x"}, "redis.password: required, not set"),
        ({"redis__url": "redis://a", "redis__sentinels": ["a"], "redis__sentinel_username": "x"}, "redis.sentinel_password: required"),
        ({"redis__url": "redis://a", "redis__timeout": 0}, "redis.timeout: expected >= 0.001 seconds"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(given, line):
    (told,) = problems(**given)
    assert told.startswith(line)


def test_a_password_in_the_url_is_refused_and_not_shown():
    (told,) = problems(redis__url=f"redis://weft:{SECRET}@cache:6379/0")
    assert "redis.username and redis.password" in told
    assert SECRET not in told


def test_a_password_comes_from_a_file_and_is_shown_nowhere(tmp_path):
    (tmp_path / "password").write_text(f"{SECRET}\n")
    env = {"WEFT_REDIS__URL": "redis://cache", "WEFT_REDIS__PASSWORD_FILE": str(tmp_path / "password")}
    settings = load(None, env, UPSTREAM)
    assert settings.redis.password.reveal() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in repr(build_redis_link(settings)._topology._node._rules)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"tls_ca_file": "none.pem"}, "redis.tls_ca_file: can't read "),
        ({"tls_ca_file": "text.pem"}, "redis.tls_ca_file: no PEM file that OpenSSL can use"),
        ({"tls_cert_file": "text.pem"}, "redis.tls_cert_file: no certificate with a key that belongs to it"),
    ],
)
def test_a_file_of_tls_that_is_none_is_named(tmp_path, files, line):
    (tmp_path / "text.pem").write_text("no certificate\n")
    with pytest.raises(SettingsError) as told:
        topology(url="rediss://cache", **{name: str(tmp_path / file) for name, file in files.items()})
    (problem,) = told.value.problems
    assert problem.startswith(line)
