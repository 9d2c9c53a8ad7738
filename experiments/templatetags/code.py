"""A sweep's code in words, for templates."""

from __future__ import annotations

from django import template

from experiments.code_words import code_words, packages_words

register = template.Library()
register.filter("code_words", code_words)
register.filter("packages_words", packages_words)
