"""The registered language environments, one page an id.

Owns the defaults and the documentation of each id. The dynamics are those of `LanguageVectorEnv`.
"""
