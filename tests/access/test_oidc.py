"""What a provider's token must prove before it counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from opensma.access.oidc import (
    Provider,
    challenge_of,
    claims_of,
    endpoints,
    read_providers,
)
from opensma.errors import InputError

NOW = 1_700_000_000
PROVIDER = Provider("https://id.example", "opensma", "secret", factors=("mfa",))
KEY, OTHER = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
KEYS = KeySet([KEY]).as_dict()
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example", "aud": "opensma", "sub": "jane", "exp": NOW + 300, "iat": NOW,
    "nonce": "n1", "amr": ["pwd", "mfa"],
}  # fmt: skip


def token(key: RSAKey = KEY, **change: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": KEY.thumbprint()}, CLAIMS | change, key)


def test_a_right_token_gives_its_claims() -> None:
    assert claims_of(PROVIDER, token(), KEYS, "n1", NOW)["sub"] == "jane"
    both = token(aud=["opensma", "other"], azp="opensma")
    assert claims_of(PROVIDER, both, KEYS, "n1", NOW)["sub"] == "jane"


@pytest.mark.parametrize(
    "wrong",
    [
        token(OTHER), token(iss="https://evil.example"), token(aud="other"),
        token(aud=["opensma", "other"]), token(exp=NOW - 61), token(iat=NOW + 61),
        token(nonce="n2"), token(amr=["pwd"]), token(exp=None), "", "a.b.c",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0.",
    ],
)  # fmt: skip
def test_anything_wrong_is_refused(wrong: str) -> None:
    with pytest.raises(InputError) as caught:
        claims_of(PROVIDER, wrong, KEYS, "n1", NOW)
    assert caught.value.code == "access.oidc_token"


def test_a_token_signed_with_our_own_secret_does_not_count() -> None:
    from joserfc.jwk import OctKey

    forged = jwt.encode({"alg": "HS256"}, CLAIMS, OctKey.import_key("secret"))
    with pytest.raises(InputError):
        claims_of(PROVIDER, forged, KEYS, "n1", NOW)


def test_the_challenge_is_the_standards_own_example() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_discovery_of_another_issuer_is_refused() -> None:
    with pytest.raises(InputError):
        endpoints(PROVIDER, {"issuer": "https://other.example"})


def test_of_several_providers_each_says_itself_by_which_claim_it_names_users(
    tmp_path: Path,
) -> None:
    files = []
    for number, more in enumerate(({}, {"claim": "email"})):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps({"issuer": f"https://id{number}", "client_id": "x"} | more))
        files.append(file)
    assert [p.claim for p in read_providers(files)] == ["", "email"]
    assert [p.claim for p in read_providers(files[:1])] == ["sub"]
    assert read_providers([]) == ()
    with pytest.raises(InputError, match="same issuer"):
        read_providers([files[0], files[0]])
