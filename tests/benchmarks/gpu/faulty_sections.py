"""Sections that hang, raise and end their process."""

import os
import time


def hang(section):
    section.report("before the hang")
    time.sleep(600)


def fail(section):
    raise RuntimeError("no luck")


def exit_process(section):
    os._exit(3)


def work(section):
    section.report("worked")
