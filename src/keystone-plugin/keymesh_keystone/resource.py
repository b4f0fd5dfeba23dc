"""[resource] driver = keymesh: the stock SQL driver, and POST /v3/projects honours explicit_project_id.

A project has the same ID in every cloud, but Keystone's API gives each new project a random one. A driver
is the one thing that an operator can name in keystone.conf and that stands inside the process, so loading
this one puts a hook where the API chooses the ID. Everything before and after it (policy, validation,
limits, cache, notifications) stays Keystone's own. An ID that were swapped further down, inside
create_project, would be cached and announced wrongly.
"""
import inspect
import re
from typing import Any

from keystone.api import projects
from keystone.common import policies
import keystone.conf
from keystone import exception
from keystone.resource.backends import sql
from oslo_policy import policy

KEY = 'explicit_project_id'
ID_FORMAT = re.compile(r'[0-9a-f]{32}')
RULE = policy.RuleDefault(
    name='keymesh:explicit_project_id',
    check_str='role:admin and system_scope:all',
    description='Choose the ID of a new project or domain.')

# An enforcer of our own, because Keystone's refuses rules it did not know when it was imported. It reads
# the same policy files, so an operator changes the rule above like any other.
_enforcer = policy.Enforcer(keystone.conf.CONF)
_enforcer.suppress_deprecation_warnings = True  # Keystone gives them already.
_enforcer.register_defaults(policies.base.list_rules())  # For rules that say rule:admin_required.
_enforcer.register_default(RULE)


class Resource(sql.Resource):
    """The stock driver; making one installs the hook."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        install_hook()


def find_hook_class() -> type:
    """Returns the class whose POST chooses a project's ID: its name changed in 2025.1, its code did not.

    Anything but one such class means a Keystone that nobody has tested this with. It must not start: a
    hook in the wrong place does nothing, and every project would silently get a random ID.
    """
    found = [cls for cls in vars(projects).values()
             if inspect.isclass(cls) and 'post' in vars(cls)
             and '_assign_unique_id' in inspect.unwrap(vars(cls)['post']).__code__.co_names]
    if len(found) != 1:
        raise RuntimeError(
            'keymesh does not know this version of Keystone: expected one class in keystone.api.projects '
            'whose post() calls _assign_unique_id(), found %s. Use a version of keymesh that supports it, '
            'or set [resource] driver = sql.' % [cls.__name__ for cls in found])
    return found[0]


def install_hook() -> None:
    """Puts the hook in place, once per process however many drivers are made."""
    cls = find_hook_class()
    stock = cls._assign_unique_id
    if getattr(stock, 'is_keymesh_hook', False):
        return

    def assign_id(resource: Any, ref: dict[str, Any]) -> dict[str, Any]:
        if KEY not in ref:
            return stock(ref)
        # Keystone has already allowed this caller to create the project; choosing its ID takes more.
        _enforcer.enforce(
            RULE.name, {'target.project.%s' % key: value for key, value in ref.items()},
            resource.oslo_context, do_raise=True, exc=exception.ForbiddenAction, action=RULE.name)
        # Null is refused as well: who sends the key must never end up with a random ID.
        if not isinstance(ref[KEY], str) or not ID_FORMAT.fullmatch(ref[KEY]):
            raise exception.ValidationError(
                message='%s must be 32 lower-case hexadecimal digits.' % KEY)
        # Without the key: Keystone stores what it does not know in the project's `extra`, for ever.
        chosen = {key: value for key, value in ref.items() if key != KEY}
        chosen['id'] = ref[KEY]
        return chosen

    assign_id.is_keymesh_hook = True
    cls._assign_unique_id = assign_id
