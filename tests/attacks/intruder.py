"""Asks every port of a stack for what it should not give: a script that gives up its account first.

``python intruder.py < PLAN > ANSWERS``: JSON both, see ``Plan`` in ``break_ins``. What it needs is
imported before it becomes the other account, which may not be allowed to read Python's own files.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import websockets.sync.client

TIMEOUT_S = 10
SHOWN = 4000
"""Bytes of an answer that are looked at."""
UNHEARD = 60
"""Requests after which a port that has answered none of them is given up."""
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")
FILER, MASTER, VOLUME = (
    "/filer_pb.SeaweedFiler",
    "/master_pb.Seaweed",
    "/volume_server_pb.VolumeServer",
)


def field(number: int, text: str) -> bytes:
    """A field of a protobuf message: a text of less than 128 bytes."""
    data = text.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def calls(folder: str, name: str) -> dict[str, bytes]:
    """gRPC calls that tell of an object, change it, or give the right to."""
    both = field(1, folder) + field(2, name)
    return {
        f"{FILER}/ListEntries": field(1, folder),
        f"{FILER}/LookupDirectoryEntry": both,
        f"{FILER}/DeleteEntry": both,
        f"{FILER}/GetFilerConfiguration": b"",
        f"{FILER}/KvGet": field(1, "x"),
        f"{MASTER}/GetMasterConfiguration": b"",
        f"{MASTER}/Assign": b"\x08\x01",
        f"{MASTER}/VolumeList": b"",
        f"{MASTER}/CollectionDelete": field(1, "none"),
        f"{VOLUME}/VolumeServerStatus": b"",
        f"{VOLUME}/VolumeStatus": b"\x08\x01",
    }


def over_http(place: tuple[str, Any], plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Send requests of all methods to all addresses, over HTTP, TLS and a unix socket."""
    kind, address = place
    for secure in (False, True) if kind == "tcp" else (False,):
        if secure and not speaks_tls(address):
            continue
        heard, tried = 0, 0
        for path in plan["paths"]:
            for method in METHODS:
                for headers in plan["headers"]:
                    if not heard and tried >= UNHEARD:
                        break
                    answer = one_request(kind, address, secure, method, path, headers)
                    heard, tried = heard + (answer is not None), tried + 1
                    if answer is None:
                        continue
                    status, body, told = answer
                    yield {
                        "how": f"{'https' if secure else 'http'} {method}",
                        "where": [kind, address], "what": path, "status": status,
                        "body": body.decode("latin-1"), "shared": told, "headers": headers,
                    }  # fmt: skip


def one_request(
    kind: str, address: Any, secure: bool, method: str, path: str, headers: dict[str, str]
) -> tuple[int, bytes, str] | None:
    """Status, begin of the body, and who may read it from a page; None where there is no answer."""
    host, port = address if kind == "tcp" else ("127.0.0.1", 80)
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    more = {"context": ssl._create_unverified_context()} if secure else {}
    connection = make(host, port, timeout=TIMEOUT_S, **more)
    try:
        if kind == "unix":
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(TIMEOUT_S)
            connection.sock.connect(address)
        body = b"{}" if method in ("PUT", "POST") else None
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        reply = connection.getresponse()
        return reply.status, reply.read(SHOWN), reply.getheader("Access-Control-Allow-Origin", "")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def speaks_tls(address: list[Any]) -> bool:
    """Whether a port speaks TLS, with or without a certificate of ours."""
    try:
        with (
            socket.create_connection(address, TIMEOUT_S) as plain,
            ssl._create_unverified_context().wrap_socket(plain),
        ):
            return True
    except OSError:
        return False


def over_grpc(place: tuple[str, Any], plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make calls in the clear, and with TLS; with a certificate where the plan has one."""
    kind, address = place
    target = f"unix:{address}" if kind == "unix" else f"{address[0]}:{address[1]}"
    channels = {"grpc": grpc.insecure_channel(target)}
    authority = Path(plan["authority"]).read_bytes() if plan.get("authority") else None
    if authority or plan.get("authority_pem"):
        trusted = authority or plan["authority_pem"].encode()
        own = [Path(plan[name]).read_bytes() for name in ("key", "certificate") if plan.get(name)]
        made = grpc.ssl_channel_credentials(trusted, *own)
        options = (("grpc.ssl_target_name_override", "localhost"),)
        channels["grpc with TLS"] = grpc.secure_channel(target, made, options)
    for how, channel in channels.items():
        if not opens(channel):
            continue
        for name, message in calls(plan["folder"], plan["name"]).items():
            if name.endswith("/DeleteEntry") and plan.get("key"):
                continue  # it would be obeyed
            try:
                # a single answer is a stream of one
                body = b"".join(channel.unary_stream(name)(message, timeout=TIMEOUT_S))
                status = 200
            except grpc.RpcError as error:
                body, status = str(error.details()).encode(), 400
            yield {
                "how": how, "where": [kind, address], "what": name, "status": status,
                "body": body[:SHOWN].decode("latin-1"), "shared": "", "headers": {},
            }  # fmt: skip
    for channel in channels.values():
        channel.close()


def opens(channel: grpc.Channel) -> bool:
    """Whether anybody answers on a channel."""
    try:
        grpc.channel_ready_future(channel).result(timeout=3)
    except grpc.FutureTimeoutError:
        return False
    return True


def over_websocket(place: tuple[str, Any], plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Listen to Prefect's streams of events and logs, with a wrong token."""
    kind, address = place
    if kind == "unix":
        return
    for path in ("/api/events/out", "/api/logs/out", "/api/events/in"):
        try:
            with websockets.sync.client.connect(
                f"ws://{address[0]}:{address[1]}{path}", subprotocols=["prefect"],
                open_timeout=TIMEOUT_S,
            ) as stream:  # fmt: skip
                stream.send(json.dumps({"type": "auth", "token": plan["token"]}))
                told = json.loads(stream.recv(timeout=TIMEOUT_S))
        except Exception:
            continue
        yield {
            "how": "websocket", "where": [kind, address], "what": path,
            "status": 200 if told.get("type") == "auth_success" else 403,
            "body": json.dumps(told), "shared": "", "headers": {},
        }  # fmt: skip


def by_commands(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run SeaweedFS's own commands."""
    for command, said in plan["commands"]:
        done = subprocess.Popen(
            command, cwd="/", env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = done.communicate(said.encode(), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            done.kill()
            output, _ = done.communicate()
        yield {
            "how": "command", "where": ["command", command[1]], "what": said or command[-1],
            "status": done.returncode, "body": output[:SHOWN].decode("latin-1"), "shared": "",
            "headers": {},
        }  # fmt: skip


def by_files(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read whatever file can be read below folders."""
    for folder in plan["files"]:
        for top, folders, names in os.walk(folder):
            for name in names:
                try:
                    body = Path(top, name).read_bytes()[:SHOWN]
                except OSError:
                    continue
                yield {
                    "how": "file", "where": ["file", top], "what": name, "status": 200,
                    "body": body.decode("latin-1"), "shared": "", "headers": {},
                }  # fmt: skip
            for name in folders:  # one that can be listed tells names
                if os.access(Path(top, name), os.R_OK):
                    yield {
                        "how": "folder", "where": ["file", top], "what": name, "status": 200,
                        "body": str(os.listdir(Path(top, name))), "shared": "", "headers": {},
                    }  # fmt: skip


def main() -> None:
    """Become another account where the plan says so, then try everything."""
    plan = json.load(sys.stdin)
    base64.b64encode(b"loads what requests need")
    "host".encode("idna")  # loads its codec
    ssl.create_default_context()
    if plan["account"]:
        os.setgroups([])
        os.setgid(plan["account"])
        os.setuid(plan["account"])

    def at(place: list[Any]) -> list[dict[str, Any]]:
        ways = (over_http, over_grpc, over_websocket)
        return [answer for way in ways for answer in way((place[0], place[1]), plan)]

    with ThreadPoolExecutor(len(plan["places"])) as threads:  # most of it is waiting
        found = [answer for answers in threads.map(at, plan["places"]) for answer in answers]
    found += by_commands(plan)
    found += by_files(plan)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
