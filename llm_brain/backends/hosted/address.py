"""A server's address: what is asked, what is shown of it, and the user and password that it may hold."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Address:
    """An address, as a user gave it; it may be none at all, which the first request will say.

    Attributes:
        given: The address in full.

    Example:
        >>> address = Address("http://ada:lovelace@127.0.0.1:8000/v1/?debug=1")
        >>> address.shown, address.plain
        ('http://127.0.0.1:8000/v1/', 'http://127.0.0.1:8000/v1/?debug=1')
        >>> address.sign_in(None)
        {'Authorization': 'Basic YWRhOmxvdmVsYWNl'}
        >>> address.sign_in("key")
        {'Authorization': 'Bearer key'}
    """

    given: str

    @cached_property
    def shown(self) -> str:
        """The address as messages and traces name it: without a user, a password and a query."""
        try:
            parts = urlsplit(self.given)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        except ValueError:
            return "an address that is none"

    @cached_property
    def plain(self) -> str:
        """The address without user and password, which are sent in a header, and without a slash at its end."""
        try:
            parts = urlsplit(self.given)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        except ValueError:
            return self.given

    def sign_in(self, key: str | None) -> dict[str, str]:
        """Return the header that a request signs in with: by the key, or else by user and password."""
        if key:
            return {"Authorization": f"Bearer {key}"}
        return {"Authorization": f"Basic {self._basic}"} if self._user else {}

    def secrets(self, key: str | None) -> tuple[str, ...]:
        """Return what no message may hold, even if the server sends it back: the key, the password, and the header's form.

        Example:
            >>> Address("http://ada:lovelace@127.0.0.1:8000/v1").secrets("key")
            ('YWRhOmxvdmVsYWNl', 'lovelace', 'key')
        """
        quoted = self._user.partition(":")[2]
        found = [self._basic, quoted, unquote(quoted)] if self._user else []
        return tuple(dict.fromkeys(secret for secret in (*found, key) if secret))

    @cached_property
    def _user(self) -> str:
        try:
            return urlsplit(self.given).netloc.rpartition("@")[0]
        except ValueError:
            return ""

    @cached_property
    def _basic(self) -> str:
        return base64.b64encode(unquote(self._user).encode()).decode()
