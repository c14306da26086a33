"""What clients owe for the service: fee schedules, households, periods, splits.

Lives here: fees as exact arithmetic, from values and agreed terms to cents. May enter: amounts,
rates and dates. Must never know: how a return is measured, how a trade was decided, floats.
"""
