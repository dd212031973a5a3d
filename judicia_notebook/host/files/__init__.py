"""``judicia:files``: files for plugins, in folders they cannot leave.

A plugin sees one root. In it are the files of its *private folder* (a grant without a scope) and, under the alias of
each grant such as ``read_files=/data/tests@tests``, a *mapped folder* of the user's. An alias hides a private file of
the same name. At each request the live policy decides anew what the root shows.

How a request goes:

- the service checks the name by its text (`names`), and its first component selects the folder;
- the rest happens on another thread (`host.offload`), so that the call ends on time whatever the file system does;
- the operating system itself resolves the path beneath the folder (`beneath`), following no link;
- the service reads the file, or replaces it in one step (`tree`), within the folder's limits (`accounts`).

A system that cannot open beneath a folder gets no files service: each request is refused, with the reason. A private
folder lies in ``data_dir/files`` under a hash of the plugin's name, and belongs to the first file under that name
(`judicia_notebook.host.ownership`). Texts to the guest name its own paths, never the host's.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from judicia_notebook.errors import stays_in_process
from judicia_notebook.host.dispatcher import Code, Operation, ServiceError
from judicia_notebook.host.files import names
from judicia_notebook.host.files.accounts import Account, Parts
from judicia_notebook.host.files.beneath import FOLDER, Openat2, Opening, best_opening, enter, open_root, opened, sync
from judicia_notebook.host.files.limits import KINDS, FileLimits
from judicia_notebook.host.files.tree import Entry, Tree
from judicia_notebook.host.offload import Offload, Task
from judicia_notebook.host.ownership import Owners, folder_name
from judicia_notebook.reporting import notices
from judicia_notebook.text import printable
from judicia_notebook.units import format_names

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

__all__ = ["FileLimits", "FilesService"]

T = TypeVar("T")

_REFUSALS: dict[int, tuple[Code, str]] = {
    errno.ENOENT: ("not_found", "there is no such file or folder"),
    errno.ENOTDIR: ("conflict", "a file or a link is where a folder should be"),
    errno.EISDIR: ("conflict", "this is a folder"),
    errno.ENOTEMPTY: ("conflict", "the folder is not empty"),
    errno.EEXIST: ("conflict", "the name is taken already"),
    errno.ELOOP: ("failed", "a link is on the way; links are not followed"),
    errno.EXDEV: ("failed", "the way leads out of the folder, or onto another file system"),
    errno.EACCES: ("failed", "the system does not allow it"),
    errno.EPERM: ("failed", "the system does not allow it"),
    errno.EROFS: ("failed", "the file system is read-only"),
    errno.ENOSPC: ("failed", "no space is left"),
    errno.EDQUOT: ("failed", "no space is left"),
}


_LINK_ERRORS = frozenset({errno.ELOOP, errno.ENOTDIR})
LINK_OUT = "a link that leads out of the folder, not followed"
ANOTHER_FILE_SYSTEM = "another file system within the folder, not entered"


class PathRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which file or folder."""

    path: str


class Write(msgspec.Struct, forbid_unknown_fields=True):
    """A file's path and its whole content, as text or as base64."""

    path: str
    content: str | msgspec.UnsetType = msgspec.UNSET
    content_base64: str | msgspec.UnsetType = msgspec.UNSET

    def data(self) -> bytes:
        """The bytes to write.

        Raises
        ------
        ServiceError
            ``bad_request``: both or none given, or no base64.
        """
        if isinstance(self.content, str) == isinstance(self.content_base64, str):
            raise ServiceError("bad_request", "exactly one of the fields `content` and `content_base64` is needed")
        if isinstance(self.content, str):
            return self.content.encode()
        try:
            return base64.b64decode(str(self.content_base64), validate=True)
        except (binascii.Error, ValueError):
            raise ServiceError("bad_request", "field `content_base64`: this is not base64") from None


class _Place(NamedTuple):
    """A folder of the host and a path in it; no host folder stands for the private one."""

    host: str | None
    parts: Parts


@stays_in_process("The contents of a file can be.")
class FilesService:
    """``judicia:files`` of one runtime, and ``rt.host.files`` of the notebook.

    Parameters
    ----------
    owners : Owners
        They know which file owns a private folder, and where it is.

    Attributes
    ----------
    opening : Opening or None
        How paths are resolved; None where this system has no safe way.
    """

    module = "judicia:files"
    left = "files"
    given = "mapped folders"
    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self, owners: Owners) -> None:
        self._limits = FileLimits()
        self.opening: Opening | None = best_opening()
        self._owners = owners
        self._offload = Offload()
        self._lock = threading.Lock()
        self._accounts: dict[object, Account] = {}
        self._real: dict[str, str] = {}

    def operations(self) -> Iterable[Operation]:
        for name, handle, capability, request in (
            ("read", self.read, "read_files", PathRequest),
            ("write", self.write, "write_files", Write),
            ("list", self.entries, "read_files", PathRequest),
            ("stat", self.stat, "read_files", PathRequest),
            ("delete", self.delete, "write_files", PathRequest),
        ):
            yield Operation(name, handle, capability=capability, request=request, target=_target)

    def close(self) -> None:
        """Let the threads go."""
        self._offload.close()

    def kept(self) -> Iterator[str]:
        """The plugins whose private folders hold anything, in words."""
        found = [name for folder, name in self._owners.names().items() if _holds_anything(self._content(folder))]
        if found:
            yield f"files of {len(found)} plugin{'s' if len(found) > 1 else ''}: {format_names(found)}"

    def forget(self) -> None:
        """Remove all private folders; mapped ones are the user's."""
        if (self._owners.data_dir() / "files").is_symlink():
            raise OSError(errno.ELOOP, "the folder of private folders is a link, which is not followed")
        for folder in self._owners.names():
            holder = self._content(folder).parent
            if holder.exists():
                shutil.rmtree(holder)
        with self._lock:
            self._accounts.clear()  # by inode, and the next folder may get the same

    def _content(self, folder: str) -> Path:
        return self._owners.data_dir() / "files" / folder / "content"

    def folder(self, plugin: str) -> Path:
        """The path of a plugin's private folder, also while the folder is empty or missing."""
        return self._content(folder_name(plugin))

    @KINDS.in_force
    def limits(self) -> FileLimits:
        """The limits of folders; `set_limits` changes them."""
        return self._limits

    def set_limits(self, **kinds: int | str) -> None:
        """Change limits, from the next request on; what is not named stays. Sizes are bytes or text such as ``"1MiB"``.

        Raises
        ------
        PolicyError
            An unknown kind or a bad value; nothing is changed then.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.host.files.set_limits(folder_bytes="1MiB", folder_files=20)
        ...     rt.host.files.limits.folder_bytes
        1048576
        """
        self._limits = KINDS.changed(self._limits, kinds)

    # Operations ---------------------------------------------------------------------------------------------

    def read(self, scope: CallScope, request: PathRequest) -> dict[str, str]:
        """A file's content: as text where it is UTF-8 without NUL, otherwise as base64."""
        place = self._find(scope, "read_files", "read", request.path)
        data = self._do(scope, place, request.path, lambda tree, parts: tree.read(parts))
        if b"\0" not in data:
            with contextlib.suppress(UnicodeDecodeError):
                return {"content": data.decode()}
        return {"content_base64": base64.b64encode(data).decode()}

    def write(self, scope: CallScope, request: Write) -> dict[str, int]:
        """Replace a file or make it, with the folders on its way; the bytes written."""
        place = self._find(scope, "write_files", "write", request.path)
        data = request.data()
        self._do(scope, place, request.path, lambda tree, parts: tree.write(parts, data))
        return {"bytes": len(data)}

    def entries(self, scope: CallScope, request: PathRequest) -> list[dict[str, Any]]:
        """The entries of a folder, by name."""
        parts = names.split(request.path)
        if parts:
            found = self._do(
                scope,
                self._find(scope, "read_files", "list", request.path),
                request.path,
                lambda tree, parts: tree.entries(parts),
            )
        else:
            found = self._list_root(scope)
        return [{"name": entry.name, "type": entry.type, "bytes": entry.bytes} for entry in found]

    def _list_root(self, scope: CallScope) -> list[Entry]:
        """The private folder, if it may be read, with the mapped ones in it."""
        state = scope.policy.state
        readable, taken = _mapped(state.scopes("read_files")), _mapped(state.scopes("write_files"))
        found = [Entry(alias, "directory", 0, 0) for alias in readable]
        if "read_files" in state.granted:
            own = self._do(scope, _Place(None, ()), "", lambda tree, parts: tree.entries(parts))
            found += [entry for entry in own if entry.name not in readable and entry.name not in taken]
        return sorted(found)

    def stat(self, scope: CallScope, request: PathRequest) -> dict[str, Any]:
        """The entry at a path. The time of its last change is a time of day, so it takes ``wall_clock``, too."""
        place = self._find(scope, "read_files", "stat", request.path)
        found = self._do(scope, place, request.path, lambda tree, parts: tree.stat(parts))
        modified = found.modified_ns // 1_000_000 if scope.policy.state.allows("wall_clock") else None
        return {"type": found.type, "bytes": found.bytes, "modified": modified}

    def delete(self, scope: CallScope, request: PathRequest) -> dict[str, Any]:
        """Remove a file or an empty folder."""
        place = self._find(scope, "write_files", "delete", request.path)
        self._do(scope, place, request.path, lambda tree, parts: tree.delete(parts))
        return {}

    # Which folder -------------------------------------------------------------------------------------------

    def _find(self, scope: CallScope, capability: str, operation: str, path: str) -> _Place:
        """The folder a path is in, as the policy is now.

        Raises
        ------
        ServiceError
            ``capability_denied`` where no grant of this capability reaches it.
        """
        parts = names.split(path)
        state = scope.policy.state
        alias = parts[0] if parts else ""
        hosts = _mapped((*state.scopes("read_files"), *state.scopes("write_files"))).get(alias)
        if hosts is None:
            if capability in state.granted:
                return _Place(None, parts)
            where = f"`{printable(alias, 80)}`" if alias else "the plugin's own folder"
            raise _denied(operation, capability, where, "")
        if len(hosts) > 1:
            raise ServiceError(
                "conflict", f"two folders are granted as `{alias}`; the user must revoke one of the grants"
            )
        host = hosts[0]
        if f"{host}@{alias}" not in state.scopes(capability):
            raise _denied(operation, capability, f"`{alias}`", f"{host}@{alias}")
        return _Place(host, parts[1:])

    def _do(self, scope: CallScope, place: _Place, path: str, work: Callable[[Tree, Parts], T]) -> T:
        """Do something in a folder, on another thread; errors of the system become answers."""
        opening = self.opening
        if opening is None:
            raise ServiceError(
                "failed", "there are no files here: this system cannot open what lies beneath a folder safely"
            )
        if opening.name != Openat2.name:
            notices.fallback("files", f"Paths of plugins' files are resolved {opening.name}: there is no openat2 here.")
        plugin, digest, limits = scope.plugin, scope.digest, self._limits

        def do(task: Task[T]) -> T:
            try:
                with self._tree(task, opening, place, plugin, digest, limits) as tree:
                    try:
                        return work(tree, place.parts)
                    except ServiceError as error:
                        raise _about(path, error, _escape(tree, place.parts, error)) from None
                    except OSError as error:
                        raise _about(path, _refusal(error), _escape(tree, place.parts, error)) from None
            except OSError as error:
                raise _about(path, _refusal(error)) from None

        return self._offload.run(scope, do)

    @contextmanager
    def _tree(
        self, task: Task[Any], opening: Opening, place: _Place, plugin: str, digest: str, limits: FileLimits
    ) -> Iterator[Tree]:
        with ExitStack() as stack:
            holder = None
            if place.host is None:
                self._owners.check(plugin, digest)
                data = stack.enter_context(opened(open_root(opening, self._real_path(str(self._owners.data_dir())))))
                holder = stack.enter_context(opened(_private(opening, data, plugin)))
                root = stack.enter_context(opened(opening.open(holder, "content", FOLDER)))
            else:
                root = stack.enter_context(opened(open_root(opening, self._real_path(place.host))))
            state = os.fstat(root)
            account = self._account((state.st_dev, state.st_ino), private=place.host is None)
            yield Tree(task, opening, root, account, limits, holder)

    def _real_path(self, path: str) -> str:
        """A granted path without links, as it was when it was first used: what becomes a link later is not followed."""
        with self._lock:
            known = self._real.get(path)
        if known is None:
            known = os.path.realpath(path)
            with self._lock:
                known = self._real.setdefault(path, known)
        return known

    def _account(self, identity: object, *, private: bool) -> Account:
        with self._lock:
            key = (identity, private)
            if key not in self._accounts:
                self._accounts[key] = Account(private=private)
            return self._accounts[key]


def _private(opening: Opening, data: int, plugin: str) -> int:
    """The folder that holds a plugin's private folder; the latter is made if need be."""
    here = folder_name(plugin)
    with contextlib.suppress(FileNotFoundError), opened(opening.open(data, f"files/{here}/content", FOLDER)):
        return opening.open(data, f"files/{here}", FOLDER)
    with opened(enter(opening, data, "files")) as files:
        holder = enter(opening, files, here)
        sync(files)
    try:
        os.close(enter(opening, holder, "content"))
        sync(holder)
        sync(data)
    except BaseException:
        os.close(holder)
        raise
    return holder


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _mapped(scopes: Iterable[str]) -> dict[str, list[str]]:
    """Alias to the host folders that are granted under it."""
    found: dict[str, list[str]] = {}
    for scope in scopes:
        host, _, alias = scope.rpartition("@")
        hosts = found.setdefault(alias, [])
        if host not in hosts:
            hosts.append(host)
    return found


def _target(request: PathRequest | Write) -> str:
    return printable(request.path or ".", 200)


def _denied(operation: str, capability: str, where: str, scope: str) -> ServiceError:
    return ServiceError(
        "capability_denied", f"judicia:files {operation} needs the capability {capability} for {where}", scope=scope
    )


def _about(path: str, error: ServiceError, escape: str = "") -> ServiceError:
    return ServiceError(error.code, f"`{printable(path or '.', 120)}`: {error.message}", escape=escape)


def _escape(tree: Tree, parts: Parts, error: ServiceError | OSError) -> str:
    """By what a path that was refused would have led out of the folder, for the audit; empty where it would not."""
    if isinstance(error, OSError) and error.errno == errno.EXDEV:
        return ANOTHER_FILE_SYSTEM
    stopped_at_a_link = error.code == "failed" if isinstance(error, ServiceError) else error.errno in _LINK_ERRORS
    return LINK_OUT if stopped_at_a_link and tree.leads_out(parts) else ""


def _refusal(error: OSError) -> ServiceError:
    code, message = _REFUSALS.get(error.errno or 0, ("failed", ""))
    name = errno.errorcode.get(error.errno or 0, "an error")
    return ServiceError(code, message or f"the file system answered {name}")
