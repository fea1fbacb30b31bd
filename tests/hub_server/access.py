"""Who asks, and what they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.hub_server.messages import Refusal
from tests.hub_server.repository import Repository

__all__ = ["Account", "Accounts", "Role"]

Role = Literal["read", "write"]

_UNKNOWN = "Invalid credentials in Authorization header"


@dataclass(frozen=True)
class Account:
    """A user, and what the token in use lets them do."""

    user: str
    role: Role


@dataclass(frozen=True)
class Accounts:
    """All tokens and organisations.

    Args:
        tokens: token → (user, role of the token).
        orgs: organisation → user → role of the user in it.
    """

    tokens: Mapping[str, tuple[str, Role]]
    orgs: Mapping[str, Mapping[str, Role]]

    def of(self, header: str | None) -> Account | None:
        """The owner of an ``Authorization`` header, None without one.

        Raises:
            Refusal: 401, no such token.
        """
        if not header:
            return None
        token = header.removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refusal(401, _UNKNOWN)
        return Account(*self.tokens[token])

    def whoami(self, account: Account | None) -> dict[str, Any]:
        """The answer of ``whoami-v2``.

        Raises:
            Refusal: 401, nobody.
        """
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        orgs = [
            {
                "type": "org",
                "id": org,
                "name": org,
                "fullname": org,
                "roleInOrg": users[account.user],
            }
            for org, users in self.orgs.items()
            if account.user in users
        ]
        token = {
            "displayName": "test",
            "role": account.role,
            "createdAt": "2024-01-01T00:00:00.000Z",
        }
        return {
            "type": "user",
            "id": account.user,
            "name": account.user,
            "fullname": account.user,
            "isPro": False,
            "orgs": orgs,
            "auth": {"type": "access_token", "accessToken": token},
        }

    def require_namespace(self, account: Account | None, namespace: str) -> Account:
        """Whoever may make or delete repositories under ``namespace``.

        Raises:
            Refusal: 401 for nobody, 403 for others and for tokens that only read.
        """
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        if account.role != "write" or not self._belongs(account, namespace, "write"):
            raise Refusal(
                403,
                f'You don\'t have the rights to create a dataset under the namespace "{namespace}"',
            )
        return account

    def require_read(self, account: Account | None, repository: Repository | None) -> Repository:
        """``repository``, for those who may see it.

        Raises:
            Refusal: RepoNotFound, which does not tell whether it is private or not there: 401 for
                nobody, 404 for an account.
        """
        if repository is not None and (
            not repository.private
            or (account is not None and self._belongs(account, repository.namespace, "read"))
        ):
            return repository
        if account is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        raise Refusal(404, "Repository not found", "RepoNotFound")

    def require_write(self, account: Account | None, repository: Repository | None) -> Repository:
        """``repository``, for those who may change it.

        Raises:
            Refusal: as :meth:`require_read`; 401 for nobody, 403 for those who may only see it.
        """
        repository = self.require_read(account, repository)
        if account is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        if not self._belongs(account, repository.namespace, "write"):
            raise Refusal(403, "Forbidden: you don't have the rights to change this repository")
        if account.role != "write":
            raise Refusal(403, "Forbidden: you must use a write token to change a repository")
        return repository

    def _belongs(self, account: Account, namespace: str, role: Role) -> bool:
        mine = self.orgs.get(namespace, {}).get(account.user)
        return account.user == namespace or mine == "write" or mine == role
