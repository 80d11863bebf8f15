"""Passwords: changed by their owner, reset by an admin; sessions that knew the old one end."""

from functools import partial

from crm import audit
from crm.core import crypto, sql
from crm.core.access import TENANT_ADMIN
from crm.core.errors import InvalidCredentials, NotFound
from crm.core.feed import End
from crm.core.http import SIGNED_IN, Call, Door
from crm.core.limit import LOGIN
from crm.sessions.shapes import ChangePassword, PersonRow, TemporaryPassword
from crm.sessions.sign_in import proved

_sql = sql.load("sessions")
_WRONG = "A senha atual está incorreta.", "The current password is wrong."


async def change_password(call: Call) -> None:
    """Set a new password; the caller's other sessions end. Raises InvalidCredentials, RateLimited."""
    change: ChangePassword = call.body
    async with call.rails.limits.attempt(LOGIN, f"password:{call.who.user}"):
        async with call.rails.db.tenant(call.who.home, call.who.caller) as tx:
            person = await tx.one(_sql.person, PersonRow, id=call.who.user)
        if not await proved(call, person, change.current_password):
            raise InvalidCredentials(*_WRONG)
    hashed = await _hashed(call, change.new_password)
    async with call.rails.db.tenant(call.who.home, call.who.caller) as tx:
        new = {"hash": hashed, "temporary": False, "proved": person.password_hash}
        if not await tx.count(_sql.set_password, id=call.who.user, **new):
            raise InvalidCredentials(*_WRONG)  # another was set meanwhile
        await tx.none(_sql.end_all, user_id=call.who.user, keep=call.who.session)
        await audit.note(call, tx, "password.changed", call.who.user)
        end = End(4401, user=call.who.user, not_session=call.who.session)
        call.rails.feed.end_sockets(tx, call.who.home, end)


async def choose_password(call: Call) -> tuple[str, str]:
    """Before `reset_password`: the temporary password, and as it is kept."""
    password = crypto.temporary_password()
    return password, await _hashed(call, password)


async def reset_password(call: Call) -> TemporaryPassword:
    """Give a person a temporary password; all their sessions end. Raises NotFound."""
    user, (password, hashed) = call.id(), call.prepared
    if not await call.tx.count(_sql.set_password, id=user, hash=hashed, temporary=True, proved=None):
        raise NotFound
    await call.tx.none(_sql.end_all, user_id=user, keep=None)
    await audit.note(call, call.tx, "password.reset", user)
    call.rails.feed.end_sockets(call.tx, call.place, End(4401, user=user))
    return TemporaryPassword(password)


async def _hashed(call: Call, password: str) -> str:
    return await call.rails.in_thread(partial(crypto.password_hash, password, call.rails.settings.bcrypt_rounds))


routes = [
    Door(
        method="POST",
        path="/auth/change-password",
        handler=change_password,
        role=SIGNED_IN,
        body=ChangePassword,
        status=204,
        own_tx=True,
    ),
    Door(
        method="POST",
        path="/api/users/{id}/reset-password",
        handler=reset_password,
        role=TENANT_ADMIN,
        answer=TemporaryPassword,
        before=choose_password,
    ),
]
