"""How good the starter is: photos, a judge trained on them, the questions, the models that answer."""
