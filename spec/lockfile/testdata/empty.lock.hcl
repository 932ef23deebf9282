# Maintained by "autosafe init". Keep it with the recipe, and do not edit it.
