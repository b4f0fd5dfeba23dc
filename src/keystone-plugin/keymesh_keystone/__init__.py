"""keymesh's driver plugin for Keystone; see resource.py."""
