"""What `ops/up` tells: dev.json for programs, one short screen for people."""

from typing import TYPE_CHECKING, Any

from ops.dev import demo

if TYPE_CHECKING:
    from ops.dev.system import System


def facts(system: "System") -> dict[str, Any]:
    """The content of dev.json. A server that is not ours has no pid."""
    home = system.home
    pids = {one.name: one.process and one.process.pid for one in (*system.servers, *system.programs)}
    apis = [pid for name, pid in pids.items() if name.startswith("api")]
    return {
        "url": system.urls[0],
        "urls": system.urls,
        "databaseUrl": home.database_url("app"),
        "ownerDatabaseUrl": home.database_url("owner"),
        "systemDatabaseUrl": home.database_url("system"),
        "redisUrl": home.redis_url,
        "superAdmin": {"email": demo.ROOT_EMAIL, "password": home.admin_password},
        "graphUrl": system.graph_url,
        "pids": {"postgres": None, "redis": None, **pids, "apis": apis},
        **({"demo": demo.LOGINS} if system.with_demo else {}),
    }


def text(system: "System") -> str:
    lines = [
        "",
        f"  API             {'  '.join(system.urls)}   reference: {system.urls[0]}/docs",
        f"  Super admin     {demo.ROOT_EMAIL} / {system.home.admin_password}",
    ]
    if system.with_demo:
        lines += [
            f"  Hotel Aurora    header X-Tenant-Slug: {demo.SLUG}",
            f"    Alice, admin      {demo.TENANT['adminEmail']} / {demo.TENANT['adminPassword']}",
            f"    Bruno, attendant  {demo.ATTENDANT['email']} / {demo.ATTENDANT['password']}",
        ]
        lines.append(f"  Inbox           {system.urls[0]}/inbox?tenant={demo.SLUG}")
    if system.with_fake:
        lines.append(f"  Guest's phone   {system.graph_url}/phone")
    lines += [
        f"  Data, dev.json  {system.home.path}",
        f"  Logs            {system.home.logs}",
        "  Stop            Ctrl-C",
        "",
        f"ready {system.urls[0]}",
    ]
    return "\n".join(lines)
