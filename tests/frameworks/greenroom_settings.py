"""Django's settings for its own tests, at the port GREENROOM_PORT."""

import os


def _database(name):
    return {
        "ENGINE": "django.db.backends.mysql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["GREENROOM_PORT"],
        "USER": os.environ["GREENROOM_USER"],
        "PASSWORD": os.environ["GREENROOM_PASSWORD"],
        "NAME": name,
        "TEST": {"CHARSET": "utf8mb4"},
    }


DATABASES = {"default": _database("django"), "other": _database("django2")}
TEST_RUNNER = "outcomes.Runner"
SECRET_KEY = "for tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
