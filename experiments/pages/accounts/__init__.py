"""Login, password, e-mail, second factors and the viewer's own page.

django-allauth does the flows; experiments/pages/login_limits counts wrong passwords and
codes.
"""
