"""One module per thing a master may ask for. ``command_class`` finds the one for a name.

The classes are imported when they are first asked for: an idle worker stays small.
"""

from importlib import import_module

from ci_worker.commands.base import Command

#: Name on the wire to module and class.
_PLACES = {
    "shell": ("shell", "Shell"),
    "uploadFile": ("uploadfile", "UploadFile"),
    "upload_file": ("uploadfile", "UploadFile"),
    "uploadDirectory": ("uploaddirectory", "UploadDirectory"),
    "upload_directory": ("uploaddirectory", "UploadDirectory"),
    "downloadFile": ("downloadfile", "DownloadFile"),
    "download_file": ("downloadfile", "DownloadFile"),
    "mkdir": ("mkdir", "MakeDirectory"),
    "rmdir": ("rmdir", "RemoveDirectory"),
    "cpdir": ("cpdir", "CopyDirectory"),
    "stat": ("stat", "Stat"),
    "glob": ("glob", "Glob"),
    "listdir": ("listdir", "ListDirectory"),
    "rmfile": ("rmfile", "RemoveFile"),
}

#: What the commands' arguments and answers look like; masters adapt to it.
COMMAND_VERSION = "3.3"

COMMAND_NAMES = tuple(_PLACES)


def command_class(name: str) -> type[Command]:
    """The class for a command's name.

    :raises KeyError: if there is no such command.
    """
    module, attribute = _PLACES[name]
    found: type[Command] = getattr(import_module(f"ci_worker.commands.{module}"), attribute)
    return found
