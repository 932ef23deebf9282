"""A certificate for this process's sockets.

The host and a plugin speak TLS and know each other by certificates that they
make when they start: the host's comes in the environment, the plugin's goes
back in the handshake. The standard library cannot make one, so this module
does: a key on the curve P-256, from the system's source of chance, and a
certificate that the key signs itself. The key is used for nothing else here,
lives as long as the process, and is never written anywhere. TLS itself is
gRPC's.
"""

import base64
import datetime
import hashlib
import secrets

# The curve NIST P-256: y^2 = x^3 - 3x + B over the field of P, a group of
# order N that G generates (SEC 2, section 2.4.2).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _add(a, b):
    """Adds two points; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, _P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(k, point):
    """Adds a point k times."""
    total = None
    while k:
        if k & 1:
            total = _add(total, point)
        point = _add(point, point)
        k >>= 1
    return total


def _sign(key, message):
    """Signs a message: ECDSA with SHA-256."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        k = 1 + secrets.randbelow(_N - 1)
        r = _times(k, _G)[0] % _N
        s = pow(k, -1, _N) * (digest + r * key) % _N
        if r and s:
            return _sequence(_integer(r), _integer(s))


# DER, as far as a certificate needs it.


def _der(tag, content):
    n = len(content)
    if n < 128:
        return bytes([tag, n]) + content
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(size)]) + size + content


def _sequence(*parts):
    return _der(0x30, b"".join(parts))


def _integer(n):
    return _der(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def _bits(content):
    return _der(0x03, b"\0" + content)


def _oid(hexadecimal):
    return _der(0x06, bytes.fromhex(hexadecimal))


_ECDSA_SHA256 = _sequence(_oid("2a8648ce3d040302"))
_EC_P256 = _sequence(_oid("2a8648ce3d0201"), _oid("2a8648ce3d030107"))
_TRUE = _der(0x01, b"\xff")


def _extension(oid, value, critical=False):
    return _sequence(_oid(oid), _TRUE if critical else b"", _der(0x04, value))


def _time(moment):
    return _der(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _pem(label, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def make():
    """Gives a certificate for localhost as DER and as PEM, and its key as PEM."""
    key = 1 + secrets.randbelow(_N - 1)
    x, y = _times(key, _G)
    public = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    name = _sequence(_der(0x31, _sequence(_oid("550403"), _der(0x0C, b"localhost"))))
    now = datetime.datetime.now(datetime.timezone.utc)
    body = _sequence(
        _der(0xA0, _integer(2)),  # version 3
        _integer(secrets.randbits(120) + 1),
        _ECDSA_SHA256,
        name,
        _sequence(_time(now - datetime.timedelta(minutes=5)), _time(now + datetime.timedelta(days=3650))),
        name,
        _sequence(_EC_P256, _bits(public)),
        _der(0xA3, _sequence(
            _extension("551d13", _sequence(_TRUE), critical=True),  # an authority: it signs itself
            _extension("551d0f", _der(0x03, b"\x02\x84"), critical=True),  # digitalSignature, keyCertSign
            _extension("551d25", _sequence(_oid("2b06010505070301"), _oid("2b06010505070302"))),  # server, client
            _extension("551d11", _sequence(_der(0x82, b"localhost"))),
        )),
    )
    certificate = _sequence(body, _ECDSA_SHA256, _bits(_sign(key, body)))
    secret = _sequence(
        _integer(1), _der(0x04, key.to_bytes(32, "big")),
        _der(0xA0, _oid("2a8648ce3d030107")), _der(0xA1, _bits(public)),
    )
    return certificate, _pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", secret)
