"""What an account should hold: the problem, the kernel, whole shares, reasons, the certificate.

Lives here: the optimisation of design section 3 and the independent check of every plan.
May enter: arrays (lots, prices, targets, loadings, restrictions). Floats are allowed here.
Must never know: files, the database, names of people, the clock. Arrays in, arrays out.
"""
